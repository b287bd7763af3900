"""What HAProxy says on its admin socket, read."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautilus_cli.gateways import admin, ports
from nautilus_cli.gateways.admin import Demultiplexer, Server

GOLDEN = Path(__file__).with_name("golden")


def server(**changes: object) -> Server:
    values: dict[str, object] = {
        "engine": "risk", "joining": False, "name": "s1", "address": "172.20.0.7", "port": 8000,
        "state": admin.RUNNING, "admin": 0, "health": 3, "checking": False, "status": "L7OK", "code": "200",
    }  # fmt: skip
    return Server(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("version", ["2.6", "3.0"])
def test_the_tables_of_both_versions_are_read(version: str) -> None:
    found = {item.path: item for item in admin.servers((GOLDEN / f"gateway-admin-{version}.txt").read_text())}
    assert list(found) == ["risk/s1", "risk/s2", "risk/s3", "risk:join/j1", "risk:join/j2", "risk:join/j3"]
    serving, draining, free = found["risk/s1"], found["risk/s2"], found["risk/s3"]
    assert (serving.routed, serving.healthy, serving.port, serving.requests > 0) == (True, True, 8000, True)
    assert (draining.routed, draining.healthy, draining.free) == (False, True, False)
    assert (free.free, free.routed, free.healthy) == (True, False, False)
    joining = found["risk:join/j1"]
    assert (joining.joining, joining.free, joining.healthy, joining.detail) == (True, False, False, "answers 503")


def test_only_the_figures_of_slots_in_use_are_asked_for() -> None:
    text = (GOLDEN / "gateway-admin-3.0.txt").read_text()
    used = [item for item in admin.servers(text) if not item.free]
    assert len(admin.questions(text)) == len(used) == 3
    assert admin.questions(text)[0] == "show stat 2 4 1"


def test_a_slot_that_was_just_filled_is_not_healthy_whatever_its_predecessor_was() -> None:
    fresh = server(joining=True, health=1)
    assert (fresh.healthy, fresh.detail) == (False, "not checked yet")
    assert server(joining=True, health=2).healthy
    assert server(health=1, status="INI", code="").detail == "healthy when it joined"


@pytest.mark.parametrize(
    ("status", "code", "last", "duration", "words"),
    [
        ("L7OK", "204", "", 1, "answers 204"),
        ("L7STS", "503", "", 1, "answers 503"),
        ("L7OK", "0", "", 1, "answers"),
        ("L7STS", "0", "", 1, "answers an error"),
        ("L4CON", "", "Connection refused", 0, "connection refused"),
        ("L4CON", "", "No route to host", 3000, "no route to host"),
        ("L4TOUT", "", "", 2001, "no connection within 2s"),
        ("L7TOUT", "", "", 5003, "no answer within 5s"),
        ("L7RSP", "", "", 2, "closes the connection or does not speak HTTP"),
        (
            "HANA",
            "",
            "Detected 1 consecutive errors, last one was: L4 unsuccessful connection",
            0,
            "refuses connections",
        ),
        ("INI", "", "", 0, "not checked yet"),
    ],
)
def test_a_check_is_told_in_words(status: str, code: str, last: str, duration: int, words: str) -> None:
    down = server(state=0, health=0, status=status, code=code, last=last, duration=duration)
    assert admin.describe(down) == words


@given(st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=300))), st.integers(1, 50))
def test_frames_are_put_together_however_they_arrive(frames: list[tuple[int, bytes]], size: int) -> None:
    stream = b"".join(bytes([kind, 0, 0, 0]) + len(data).to_bytes(4, "big") + data for kind, data in frames)
    reader, got = Demultiplexer(), list[tuple[int, bytes]]()
    for start in range(0, len(stream), size):
        got += reader.feed(stream[start : start + size])
    assert got == frames


def test_info_is_read() -> None:
    assert admin.info("Name: HAProxy\nPid: 12\nStopping: 0\n\n")["Pid"] == "12"


def test_complaints_are_haproxys_own_words() -> None:
    log = (
        "[NOTICE]   (1) : haproxy version is 3.0.11\n"
        "[ALERT]    (1) : config : parsing [x.cfg:3] : unknown keyword 'foo'\n"
        "[ALERT]    (1) : config : Error(s) found in configuration file : x.cfg\n"
        "[ALERT]    (1) : config : Fatal errors found in configuration.\n"
    )
    assert admin.complaints(log) == ["config : parsing [x.cfg:3] : unknown keyword 'foo'"]


@pytest.mark.parametrize(
    ("words", "port"),
    [
        ("Bind for 127.0.0.1:8100 failed: port is already allocated", 8100),
        ("Error starting userland proxy: listen tcp4 127.0.0.1:8100: bind: address already in use", 8100),
        ("failed to bind host port 127.0.0.1:8100/tcp: address already in use", 8100),
        ("proxy risk: cannot bind socket (Address already in use) for [127.0.0.1:8100]", 8100),
        ("Starting proxy risk: cannot bind socket (Address already in use) [127.0.0.1:8100]", 8100),
        ("cannot bind socket (Address already in use) for [::1:8100]", 8100),
        ("cannot bind socket (Permission denied) for [127.0.0.1:80]", None),
    ],
)
def test_the_port_that_is_taken_is_found_in_docker_and_haproxy_words(words: str, port: int | None) -> None:
    assert ports.refused(words) == port
