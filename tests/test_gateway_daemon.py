"""The daemon is asked for itself once a client, and clients that are closed are not kept for it."""

from __future__ import annotations

import gc
import weakref
from typing import Any, cast

from docker import APIClient

from nautilus_cli.gateways.daemon import information


class Daemon:
    """The one call."""

    asked = 0

    def info(self) -> dict[str, Any]:
        self.asked += 1
        return {"NCPU": 2}


def test_the_daemon_is_asked_once_a_client() -> None:
    daemon = Daemon()
    for _ in range(3):
        assert information(cast("APIClient", daemon)) == {"NCPU": 2}
    assert daemon.asked == 1


def test_a_client_of_an_earlier_round_is_not_kept() -> None:
    first = Daemon()
    gone = weakref.ref(first)
    information(cast("APIClient", first))
    information(cast("APIClient", Daemon()))
    del first
    gc.collect()
    assert gone() is None
