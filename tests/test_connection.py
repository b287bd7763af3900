"""An engine that goes away is told as such, and not as a bug."""

from __future__ import annotations

import pytest
import requests
from docker.errors import APIError

from nautilus_cli.errors import RolloutFailed, RuntimeUnavailable
from nautilus_cli.gateways.refusal import told
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


def refusal(words: str) -> APIError:
    return APIError("500 Server Error", explanation=words)


def test_a_full_disk_is_told_wherever_docker_meets_it_and_says_what_to_do() -> None:
    words = "mkdir /var/lib/docker/overlay2/1: no space left on device"
    with pytest.raises(RolloutFailed, match=f"Docker: the disk of the Docker host is full: {words}") as raised, kept():
        raise refusal(words)
    assert raised.value.hint.startswith("make room, and run the command again: ")


def test_what_docker_refuses_otherwise_is_no_full_disk() -> None:
    with pytest.raises(APIError), kept():
        raise refusal("no such image")
    with pytest.raises(RolloutFailed, match="risk/1: Docker refuses: no such image$"), told("risk/1"):
        raise refusal("no such image")
