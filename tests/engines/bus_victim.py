"""A consumer that stands still in the middle of a batch, for a test to kill: PORT PASSWORD_FILE NUMBER."""

import asyncio
import sys
import threading
from pathlib import Path

from engines.base.bus import BufferedMessageBusClient, BusOptions, Effect, Message, Publish


async def main(port: int, password_file: Path, number: int) -> None:
    """Handle NUMBER messages, say so, and never end."""
    options = BusOptions(host="127.0.0.1", port=port, password_file=password_file)
    bus = BufferedMessageBusClient(options, "risk", "risk-victim")
    handled: list[str] = []

    def handle(message: Message) -> list[Effect]:
        handled.append(message.id)
        if len(handled) > number:
            print("stuck", flush=True)
            threading.Event().wait()
        return [Publish("risk.checks.done", message.id)]

    bus.subscribe("trading.positions.*", handle)
    await bus.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
