"""The two ways to a Redis: its own redis-cli inside its container, or its port where that is on this machine."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Protocol

from nautilus_cli.errors import NautilusError, Unhealthy
from nautilus_cli.fleet import Service
from nautilus_cli.runtimes.base import Attached, Door

PLAIN = set(range(32, 127)) - set(b'"\\')
PATIENCE = 10.0  # seconds for one answer


class Wire(Protocol):
    """One question, one answer."""

    def ask(self, *words: str | bytes) -> str:
        """The answer in words, an error as Redis says it."""
        ...


class Cli:
    """One running redis-cli; each question is one line, and so is each answer."""

    def __init__(self, attached: Attached) -> None:
        self._attached = attached
        self._output = attached.output()
        self._rest = b""
        taken(self._line())

    def ask(self, *words: str | bytes) -> str:
        """The next line."""
        self._attached.send(line_of(words))
        return self._line()

    def _line(self) -> str:
        while b"\n" not in self._rest:
            found = next(self._output, None)
            if found is None:
                text = self._rest.decode(errors="replace").strip()
                raise NautilusError(
                    f"redis-cli has ended: {text or 'it said nothing'}", "`nautilus logs redis` may say why"
                )
            self._rest += found[1]
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode(errors="replace")


class Port:
    """One connection that speaks Redis' own protocol."""

    def __init__(self, door: Door) -> None:
        try:
            self._socket = socket.create_connection((door.host, door.port), PATIENCE)
        except OSError as error:
            hint = "`nautilus status` shows whether it runs"
            raise Unhealthy(f"Redis on port {door.port}: {(error.strerror or str(error)).lower()}", hint) from None
        self._file = self._socket.makefile("rb")
        try:
            taken(self.ask("AUTH", door.password))
        except NautilusError:
            self.close()
            raise

    def ask(self, *words: str | bytes) -> str:
        """The answer; nothing that is asked here has a nested one."""
        parts = [word.encode() if isinstance(word, str) else word for word in words]
        try:
            self._socket.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts))
            head = self._file.readline().decode(errors="replace").rstrip("\r\n")
            if not head.startswith("$"):
                return head[1:] if head else self._ended("it closed the connection")
            return self._file.read(int(head[1:]) + 2)[:-2].decode(errors="replace")
        except OSError as error:
            return self._ended((error.strerror or str(error)).lower())

    def close(self) -> None:
        """Hang up."""
        self._file.close()
        self._socket.close()

    def _ended(self, why: str) -> str:
        raise NautilusError(f"Redis has ended: {why}", "`nautilus logs redis` may say why")


def taken(answer: str) -> None:
    """The password was right."""
    if answer != "OK":
        raise NautilusError(f"Redis refuses: {answer}", "`nautilus status` shows whether it is ready")


def command(service: Service) -> list[str]:
    """redis-cli that reads commands from its input, after the password from its file."""
    said = f"printf 'AUTH '; cat /run/secrets/{service.name}/password; printf '\\n'; cat"
    return ["sh", "-c", f"{{ {said}; }} | redis-cli -p {service.port or 6379}"]


def line_of(words: Sequence[str | bytes]) -> bytes:
    """One command, as redis-cli reads it."""
    return b" ".join(_quoted(word.encode() if isinstance(word, str) else word) for word in words) + b"\n"


def _quoted(word: bytes) -> bytes:
    return b'"' + b"".join(b"%c" % byte if byte in PLAIN else b"\\x%02x" % byte for byte in word) + b'"'
