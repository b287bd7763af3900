"""An engine that goes away is told as such, and not as a bug."""

from __future__ import annotations

import pytest
import requests

from nautilus_cli.errors import RolloutFailed, RuntimeUnavailable
from nautilus_cli.runtimes.connection import kept


def test_a_broken_connection_is_an_unavailable_runtime() -> None:
    with (
        pytest.raises(RuntimeUnavailable, match="the connection to Docker broke: Connection refused") as raised,
        kept(),
    ):
        raise requests.exceptions.ConnectionError from ConnectionRefusedError("Connection refused")
    assert raised.value.exit_code == 3
    assert "docker info" in raised.value.hint


def test_what_is_no_broken_connection_passes() -> None:
    with pytest.raises(RolloutFailed), kept():
        raise RolloutFailed("something else")
