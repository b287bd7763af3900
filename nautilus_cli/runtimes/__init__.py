"""Where replicas live. This is the one place that chooses a runtime."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from nautilus_cli.errors import RuntimeUnavailable
from nautilus_cli.fleet import Fleet

if TYPE_CHECKING:
    from nautilus_cli.runtimes.base import Runtime


@contextlib.contextmanager
def open_runtime(fleet: Fleet) -> Iterator[Runtime]:
    """The runtime that the file asks for, open for one command; `RuntimeUnavailable` says why it cannot be."""
    from nautilus_cli.runtimes.connection import connect, kept
    from nautilus_cli.runtimes.docker import DockerRuntime

    runtime = DockerRuntime(connect(), fleet)
    try:
        with kept():
            yield runtime
    finally:
        runtime.close()


__all__ = ["RuntimeUnavailable", "open_runtime"]
