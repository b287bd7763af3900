"""What HAProxy says on its admin socket, read: frames, tables and the words for what a check saw. Pure."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass

from nautilus_cli.gateways.base import Route
from nautilus_cli.gateways.config import JOINING
from nautilus_cli.snapshot import Traffic
from nautilus_cli.units import show_duration

PROMPT = "\n> "
MAINTENANCE = 0x01 | 0x02 | 0x20  # bits of srv_admin_state: forced, inherited, no address
DRAINING = 0x08 | 0x10
IN_PROGRESS = 0x01  # bit of srv_check_state
FAILED = "2"  # srv_check_result
FORGOTTEN = "0"  # check_code while the next answer is waited for
RUNNING = 2  # srv_op_state


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One slot of one engine, as HAProxy sees it."""

    engine: str
    joining: bool  # it is a slot of the waiting room
    name: str
    address: str
    port: int
    state: int
    admin: int
    health: int
    checking: bool  # a check is under way
    failed: bool = False  # the last check did
    status: str = ""  # L7OK, L4CON, ...
    code: str = ""
    duration: int = 0  # milliseconds of the last check
    last: str = ""
    sessions: int = 0
    queued: int = 0
    requests: int = 0
    mean_ms: float = 0.0

    @property
    def free(self) -> bool:
        """Whether a replica can be put here."""
        return bool(self.admin & MAINTENANCE)

    @property
    def routed(self) -> bool:
        """Whether requests are sent here, as long as it is healthy."""
        return not (self.joining or self.free or self.admin & DRAINING)

    @property
    def healthy(self) -> bool:
        """Whether the replica that is here now has proven itself.

        A slot that was just filled counts as running, at a health of 1, with the check result of its predecessor; only
        a passed check lifts it to 2 in the waiting room (`rise 1 fall 2`), and all that is routed has been there.
        """
        return self.state == RUNNING and (not self.joining or self.health == 2)

    def bears(self, address: str) -> bool:
        """Whether the replica of this address is here; on a host that many share, the port belongs to the address."""
        return address in (self.address, f"{self.address}:{self.port}")

    @property
    def path(self) -> str:
        """What the commands of the admin socket call it."""
        return f"{self.engine}{JOINING if self.joining else ''}/{self.name}"

    @property
    def route(self) -> Route:
        """The same for those who know nothing of HAProxy."""
        return Route(
            engine=self.engine, address=self.address, port=self.port,
            routed=self.routed, healthy=self.healthy, detail=self.detail,
            sessions=self.sessions, queued=self.queued, requests=self.requests, mean_ms=self.mean_ms,
        )  # fmt: skip

    @property
    def detail(self) -> str:
        """What the last check of this very replica saw; a success of a predecessor is not told as its own."""
        passed = self.status.startswith("L7OK")
        if self.healthy and not passed:
            return "healthy when it joined" if self.status in ("", "INI", "UNK") else describe(self)
        return describe(self) if self.healthy or not passed else "not checked yet"


def describe(server: Server) -> str:
    """The result of a check as a person would say it."""
    took = show_duration(max(round(server.duration, -2), 100) / 1000)
    match server.status:
        case "L7OK" | "L7OKC" if server.code == FORGOTTEN:
            return "answers"
        case "L7STS" if server.code == FORGOTTEN:
            return "answers an error"
        case "L7OK" | "L7OKC" | "L7STS" if server.code:
            return f"answers {server.code}"
        case "L4CON" | "SOCKERR" | "HANA":
            return refusal(server.last)
        case "L4TOUT":
            return f"no connection within {took}"
        case "L6TOUT" | "L7TOUT":
            return f"no answer within {took}"
        case "L6RSP" | "L7RSP" | "L7STS":
            return "closes the connection or does not speak HTTP"
        case _:
            return "not checked yet"


def refusal(last: str) -> str:
    """Why there was no connection, in words."""
    known = ("Connection refused", "No route to host", "Network is unreachable", "Connection reset by peer")
    return next((words.lower() for words in known if words in last), "refuses connections")


def servers(text: str) -> list[Server]:
    """Every slot that the answers to `show servers state` and `show stat` name, in their order."""
    figures = {(row["pxname"], row["svname"]): row for row in statistics(text)}
    return [server(row, figures.get((row["be_name"], row["srv_name"]), {})) for row in states(text)]


def states(text: str) -> Iterator[dict[str, str]]:
    """The rows of `show servers state`."""
    names: list[str] = []
    for line in text.splitlines():
        words = line.split(" ")
        if line.startswith("# be_id "):
            names = words[1:]
        elif names and len(words) >= len(names):
            yield dict(zip(names, words, strict=False))
        else:
            names = []


def statistics(text: str) -> Iterator[dict[str, str]]:
    """The rows of `show stat`."""
    names: list[str] = []
    for words in csv.reader(text.splitlines()):
        if words and words[0] == "# pxname":
            names = ["pxname", *words[1:]]
        elif names and len(words) >= len(names) - 1:
            yield dict(zip(names, words, strict=False))
        else:
            names = []


def questions(text: str) -> list[str]:
    """The commands that ask for the figures of every slot in use that this answer to `show servers state` names."""
    used = [row for row in states(text) if not int(row["srv_admin_state"]) & MAINTENANCE]
    return [f"show stat {row['be_id']} 4 {row['srv_id']}" for row in used]


def server(state: dict[str, str], figures: dict[str, str]) -> Server:
    """One slot from its two rows."""
    engine = state["be_name"]
    return Server(
        engine=engine.removesuffix(JOINING),
        joining=engine.endswith(JOINING),
        name=state["srv_name"],
        address=state["srv_addr"],
        port=int(state["srv_port"]),
        state=int(state["srv_op_state"]),
        admin=int(state["srv_admin_state"]),
        health=int(state["srv_check_health"]),
        checking=bool(int(state["srv_check_state"]) & IN_PROGRESS),
        failed=state["srv_check_result"] == FAILED,
        status=figures.get("check_status", "").removeprefix("* "),
        code=figures.get("check_code", ""),
        duration=number(figures, "check_duration"),
        last=figures.get("last_chk", ""),
        sessions=number(figures, "scur"),
        queued=number(figures, "qcur"),
        requests=number(figures, "stot"),
        mean_ms=float(number(figures, "ttime")),
    )


def traffic(text: str) -> dict[str, Traffic]:
    """What goes through each port, from the frontends' and backends' rows of `show stat`."""
    rows = {(row["pxname"], row["svname"]): row for row in statistics(text)}
    return {
        name: Traffic(number(row, "req_rate"), number(row, "req_tot"), number(rows.get((name, "BACKEND"), {}), "ttime"))
        for (name, side), row in rows.items()
        if side == "FRONTEND" and not name.startswith(":")
    }


def number(row: dict[str, str], name: str) -> int:
    """A count that HAProxy leaves empty where it has none."""
    return int(row.get(name) or 0)


def info(text: str) -> dict[str, str]:
    """The answer to `show info`."""
    return dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)


def complaints(log: str) -> list[str]:
    """What HAProxy objects to, from its own messages, without their decoration."""
    lines = [line.partition(") : ")[2] for line in log.splitlines() if line.startswith("[ALERT]")]
    return [line for line in lines if line and not line.startswith(("config : Fatal", "config : Error(s)"))]


class Demultiplexer:
    """Takes apart the stream of an attached exec: what the process wrote, and to which of its outputs."""

    def __init__(self) -> None:
        self._pending = b""

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """The frames that are complete now: 1 for the standard output, 2 for errors, and the bytes."""
        self._pending += data
        frames = []
        while len(self._pending) >= 8:
            end = 8 + int.from_bytes(self._pending[4:8], "big")
            if len(self._pending) < end:
                break
            frames.append((self._pending[0], self._pending[8:end]))
            self._pending = self._pending[end:]
        return frames
