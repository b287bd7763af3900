"""Whom load may reach, and what the command line and the file make of a request."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nautilus_cli.bench import subjects
from nautilus_cli.bench.address import target_of, url_of
from nautilus_cli.bench.recording import Request
from nautilus_cli.bench.subjects import Asked
from nautilus_cli.bench.wish import Wish, levels_of, profile_of, seconds
from nautilus_cli.errors import ConfigError
from nautilus_cli.fleet import Bench, Gateway, Slo
from nautilus_cli.snapshot import Image, Snapshot, State
from tests.conftest import engine, fleet, replica

RISK = engine(
    "risk",
    port=8200,
    bench=Bench(path="/risk", headers={"A": "b"}, body="{}", method="POST", rate=50),
    slo=Slo.parse("p99=5ms"),
)
SNAPSHOT = Snapshot(
    replicas=(
        replica(1, image="img", address="172.20.0.10"),
        replica(2, image="old", address="172.20.0.11", state=State.UNHEALTHY),
    ),
    images={"risk": Image("img", "sha256:1")},
    counts={"risk": 2},
)


@pytest.mark.parametrize(
    ("url", "host", "port", "path"),
    [
        ("http://127.0.0.1:8100/a?b=c", "127.0.0.1", 8100, "/a?b=c"),
        ("http://localhost", "localhost", 80, "/"),
        ("http://[::1]:81/x", "::1", 81, "/x"),
    ],
)
def test_where_a_url_leads(url: str, host: str, port: int, path: str) -> None:
    target = target_of(url, Request())
    assert (target.host, target.port, target.request.path) == (host, port, path)
    assert target_of(url_of(target), Request()) == target


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://127.0.0.1", "plain HTTP only"),
        ("ftp://127.0.0.1", "is not a URL of a server"),
        ("http://", "is not a URL of a server"),
        ("http://me:pw@127.0.0.1", "is not a URL of a server"),
        ("http://127.0.0.1:99999", "is not a URL: "),
        ("http://[::1", "is not a URL: "),
        ("http://127.0.0.1/a b", "is not a path of a URL"),
    ],
)
def test_what_is_no_url(url: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        subjects.url(url, Asked())
    assert said in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("url", ["http://127.0.0.1", "http://127.9.9.9:1", "http://localhost:1", "http://[::1]:1"])
def test_loopback_is_allowed(url: str) -> None:
    assert subjects.url(url, Asked()).target.port


@pytest.mark.parametrize("url", ["http://192.0.2.1", "http://example.org/", "http://172.20.0.10:8000"])
def test_other_machines_need_a_word(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        subjects.url(url, Asked())
    assert "neither this machine's loopback nor an address of the fleet" in caught.value.message
    assert "--allow-remote" in caught.value.hint
    assert subjects.url(url, Asked(remote=True)).target.host in url


def test_an_engine_is_asked_what_the_file_says_at_the_gateway() -> None:
    (subject,) = subjects.engines(fleet(RISK), SNAPSHOT, ["risk"], Asked())
    assert url_of(subject.target) == "http://127.0.0.1:8200/risk"
    headers = (("A", "b"), ("Content-Type", "application/json"))
    assert subject.target.request == Request("POST", "/risk", headers, b"{}")
    assert (subject.ready, subject.wanted, subject.rate, subject.slo) == (1, 2, 50, RISK.slo)
    assert subject.images == (Image("img", "sha256:1"), Image("old"))


def test_without_a_path_it_is_the_one_of_the_health_check() -> None:
    (subject,) = subjects.engines(fleet(engine("risk")), SNAPSHOT, ["risk"], Asked())
    assert subject.target.request == Request("GET", "/health")


def test_the_command_line_wins_over_the_file() -> None:
    asked = Asked("/other", "PUT", ("A: c", "B:d"), b"x", "http://172.20.0.10:8000")
    (subject,) = subjects.engines(fleet(RISK), SNAPSHOT, ["risk"], asked)
    assert url_of(subject.target) == "http://172.20.0.10:8000/other"
    assert subject.target.request == Request("PUT", "/other", (("A", "c"), ("B", "d")), b"x")


def test_a_body_makes_it_a_post() -> None:
    assert subjects.url("http://127.0.0.1/x", Asked(body=b"[1]")).target.request == Request(
        "POST", "/x", (("Content-Type", "application/json"),), b"[1]"
    )


def test_only_replicas_of_this_fleet_are_addresses_of_it() -> None:
    with pytest.raises(ConfigError, match="neither this machine"):
        subjects.engines(fleet(RISK), SNAPSHOT, ["risk"], Asked(target="http://172.20.0.99:8000"))


@pytest.mark.parametrize(("bind", "host"), [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("10.0.0.5", "10.0.0.5")])
def test_a_gateway_is_reached_where_it_is_bound(bind: str, host: str) -> None:
    declared = fleet(RISK, gateway=Gateway(bind=bind))
    (subject,) = subjects.engines(declared, SNAPSHOT, ["risk"], Asked())
    assert subject.target.host == host


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Asked(headers=("A",)), "--header: 'A' is not a header"),
        (Asked(headers=("A: b\r\nC: d",)), "is not a header"),
        (Asked(method="G T"), "--method: 'G T' is not an HTTP method"),
        (Asked(path="x"), "'x' is not a path of a URL"),
    ],
)
def test_what_cannot_stand_in_a_request(asked: Asked, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        subjects.url("http://127.0.0.1", replace(asked))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rate": 5.0, "levels": (1,)}, "--sweep and --rate are different measurements"),
        ({"rate": 5.0, "slo": Slo.parse("p99=5ms")}, "--slo and --rate are different measurements"),
        ({"connections": 5, "levels": (1,)}, "--sweep names its own connections"),
    ],
)
def test_measurements_that_exclude_each_other(options: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Wish(**options)  # type: ignore[arg-type]


def test_numbers_of_the_command_line() -> None:
    assert levels_of("1, 4,16") == (1, 4, 16)
    assert [profile_of(wish, None, "1s", "5s").duration for wish in (Wish(), Wish(levels=(1,)))] == [10, 3]
    assert profile_of(Wish(), "500ms", "0s", "2s").warmup == 0
    limits = [
        profile_of(Wish(), long, warm, "5s").warmup_limit for long, warm in (("1s", "1s"), ("60s", "1s"), ("1s", "20s"))
    ]
    assert limits == [2, 15, 20]
    for wrong in ("1,,4", "x", "0", "20000", ""):
        with pytest.raises(ConfigError, match="is not a number of connections"):
            levels_of(wrong)
    with pytest.raises(ConfigError, match="--duration: 'x' is not a duration"):
        seconds("--duration", "x")
    with pytest.raises(ConfigError, match="--timeout: '0s' is not possible here"):
        seconds("--timeout", "0s")
