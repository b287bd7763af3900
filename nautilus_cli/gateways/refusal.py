"""What Docker refuses, as an error of nautilus: in Docker's own words, and with what to do where that is known."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from docker.errors import APIError

from nautilus_cli.errors import RolloutFailed

NO_SPACE = "no space left on device"
MAKE_ROOM = (
    "make room, and run the command again: `docker system df` shows what takes it, "
    "`docker image prune` and `docker builder prune` remove what nobody uses"
)


def full(words: str) -> bool:
    """Whether Docker's words say that its disk is full."""
    return NO_SPACE in words.lower() or "enospc" in words.lower()


def refused(subject: str, error: APIError) -> RolloutFailed:
    """The error that says what Docker refused."""
    words = str(error.explanation or error)
    return full_disk(subject, words) if full(words) else RolloutFailed(f"{subject}: Docker refuses: {words}")


def full_disk(subject: str, words: str) -> RolloutFailed:
    """The error that says that it is full."""
    return RolloutFailed(f"{subject}: the disk of the Docker host is full: {words}", MAKE_ROOM)


@contextlib.contextmanager
def told(subject: str) -> Iterator[None]:
    """A call of Docker that is refused is a change that failed, which can be taken back."""
    try:
        yield
    except APIError as error:
        raise refused(subject, error) from error
