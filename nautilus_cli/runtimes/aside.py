"""One call beside the rest of a command."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def aside(call: Callable[..., T], *given: object) -> Future[T]:
    """Start a call in a thread of its own; the process does not end before it has."""
    starter = ThreadPoolExecutor(max_workers=1)
    coming = starter.submit(call, *given)
    starter.shutdown(wait=False)
    return coming
