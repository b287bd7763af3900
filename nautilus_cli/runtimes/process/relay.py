"""What holds the ports where there is no HAProxy: `python -m ...relay FOLDER` passes connections on, and no more.

FOLDER/listens.json says on which ports it listens and FOLDER/routes.json which replicas of each engine get connections,
in turns; both are read again when they change. A connection stays with its replica until one side closes it: requests
on kept connections fail when their replica is stopped. One that refuses is passed over; nothing else is checked.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path

from nautilus_cli.gateways import config, sockets

LISTENS, ROUTES = "listens.json", "routes.json"
PAUSE = 0.05  # seconds between two looks at the files
CHUNK = 1 << 16
NOBODY = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

Routes = Mapping[str, Mapping[str, bool]]  # of each engine: which addresses it has, and whether each is routed
Places = set[tuple[str, str, int]]  # engine, host, port


def read_routes(folder: Path) -> Routes:
    """What was written last; nothing where nothing was."""
    try:
        found: Routes = json.loads((folder / ROUTES).read_text())
    except (OSError, ValueError):
        return {}
    return found


def places(setup: config.Setup) -> Places:
    """Every address that is listened on."""
    hosts = [host for host in setup.hosts if ":" not in host or sockets.has_ipv6()]
    return {(listen.engine, host, listen.port) for listen in setup.listens for host in hosts}


class Relay:
    """Listens, and passes on."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[tuple[str, str, int], asyncio.Server] = {}
        self._routes: Routes = {}
        self._turn = count()

    async def run(self) -> None:
        """For ever; the files decide."""
        while True:
            self._routes = read_routes(self._folder)
            with suppress(OSError, ValueError, KeyError, TypeError):  # not written yet, or a port that is held: again
                await self._listen(places(config.load((self._folder / LISTENS).read_text())[0]))
            await asyncio.sleep(PAUSE)

    async def _listen(self, wanted: Places) -> None:
        for place in set(self._open) - wanted:
            self._open.pop(place).close()
        for place in wanted - set(self._open):
            engine, host, port = place

            async def passed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, engine: str = engine) -> None:
                with suppress(OSError):
                    await self._pass(engine, reader, writer)
                writer.close()

            self._open[place] = await asyncio.start_server(passed, host, port)

    async def _pass(self, engine: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        routed = sorted(address for address, serves in self._routes.get(engine, {}).items() if serves)
        first = next(self._turn)
        for turn in range(len(routed)):
            host, _, port = routed[(first + turn) % len(routed)].rpartition(":")
            try:
                there, back = await asyncio.open_connection(host, int(port))
            except OSError:
                continue
            await asyncio.gather(pump(reader, back), pump(there, writer))
            return
        writer.write(NOBODY)
        await writer.drain()


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Everything from one side to the other, and then the end of it too."""
    try:
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass  # a side that breaks has ended as well
    finally:
        writer.close()


if __name__ == "__main__":
    asyncio.run(Relay(Path(sys.argv[1])).run())
