"""Files of a running gateway, read and written by one shell inside: each call of its own would take Docker 70 ms."""

from __future__ import annotations

import secrets
import threading

from docker import APIClient
from docker.errors import APIError

from nautilus_cli.errors import RolloutFailed
from nautilus_cli.gateways.container import Stream
from nautilus_cli.gateways.refusal import full, full_disk, told

PATIENCE = 60.0  # seconds that a file may take
# After each request it says its first argument, which no file contains, and `+`; or what went wrong and `-`, and then
# it takes whatever else it is told, so that nobody who still tells it something finds the line broken.
SCRIPT = """
while read -r verb path size; do
  case $verb in
    get) tar -cf - -C "$path" . ;;
    put) { head -c "$size" >"$path.new" && mv "$path.new" "$path"; } 2>&1 || { printf "$0-"; exec cat >/dev/null; } ;;
  esac
  printf "$0+"
done
"""


class Desk:
    """For any number of threads, which take turns. Opened when it is needed, and again after a gateway came back."""

    def __init__(self, api: APIClient, container: str) -> None:
        self._api, self._container = api, container
        self._turn = threading.Lock()
        self._mark = secrets.token_hex().encode()
        self._stream: Stream | None = None

    @property
    def open(self) -> bool:
        """Whether it costs little to ask it."""
        return self._stream is not None

    def put(self, path: str, text: str) -> None:
        """The file has this text afterwards, whole, or that of before; RolloutFailed where it cannot be written."""
        data = text.encode()
        self._ask(f"put {path} {len(data)}\n".encode() + data)

    def get(self, folder: str) -> bytes:
        """An archive of everything in this folder."""
        return self._ask(f"get {folder} 0\n".encode())

    def close(self) -> None:
        """The shell reads the end of its input, and ends."""
        stream, self._stream = self._stream, None
        if stream:
            stream.close()

    def _ask(self, request: bytes) -> bytes:
        with self._turn, told(self._container):
            try:
                return self._answer_anew(request) if self.open else self._answer(request)
            except APIError:
                raise  # what Docker refuses is told as such
            except OSError as error:
                self.close()
                raise self._failure(str(error)) from error

    def _answer_anew(self, request: bytes) -> bytes:
        """Of a new shell, where the present one has ended with its gateway."""
        try:
            return self._answer(request)
        except ConnectionError:
            self.close()
            return self._answer(request)

    def _answer(self, request: bytes) -> bytes:
        if self._stream is None:
            shell = ["sh", "-c", SCRIPT, self._mark.decode()]
            self._stream = Stream(self._api, self._container, shell, PATIENCE)
        self._stream.send(request)
        said = b""
        for output, data in self._stream.read():
            said += data if output == 1 else b""
            if said.endswith(self._mark + b"+"):
                return said[: -len(self._mark) - 1]
            if said.endswith(self._mark + b"-"):
                self.close()
                raise self._failure(said[: -len(self._mark) - 1].decode(errors="replace"))
        raise ConnectionResetError("the shell in it has ended")

    def _failure(self, words: str) -> RolloutFailed:
        if full(words):
            return full_disk(self._container, words.strip())
        return RolloutFailed(f"the gateway {self._container} fails: {words.strip()}", "run `nautilus up` again")
