"""A load run against servers of this machine: what is counted, and that nothing of a target's faults is lost."""

from __future__ import annotations

import gc
import resource
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from nautilus_cli.bench import connection, load, loop, tape
from nautilus_cli.bench.calibrated import serving
from nautilus_cli.bench.load import run
from nautilus_cli.bench.recording import ENDLESS, Closed, Failure, Live, Open, Profile, Recording, Request, Target
from nautilus_cli.errors import ConfigError
from tests.raw_server import OK, RawServer, raw_server, repeating, reset, silent


@pytest.fixture(scope="module")
def null() -> Iterator[int]:
    """The port of a server that answers at once."""
    with serving("null") as server:
        yield server.port


def short(kind: Closed | Open, duration: float = 0.3, timeout: float = 5.0) -> Profile:
    """A run without much ado."""
    return Profile(kind, duration=duration, warmup=0.05, warmup_limit=0.05, timeout=timeout)


def at(port: int, **request: object) -> Target:
    return Target("127.0.0.1", port, Request(**request))  # type: ignore[arg-type]


def failures(recording: Recording) -> set[Failure]:
    """The kinds of failure that there were."""
    return {Failure(value) for value in recording.failure} - {Failure.NONE}


def answers(recording: Recording) -> int:
    return int(np.count_nonzero(recording.failure == Failure.NONE))


def test_closed_loop(null: int) -> None:
    recording = run(at(null), short(Closed(3)))
    assert answers(recording) == len(recording.due) > 100
    assert set(recording.status) == {200}
    assert np.array_equal(recording.due, recording.sent)
    assert (np.diff(recording.done) >= 0).all()
    assert 0 <= recording.due.min() <= recording.due.max() < recording.seconds * 1e9
    assert {recording.replicas[index] for index in recording.replica} == {"calibrated"}
    assert recording.received >= 64 * (len(recording.due) - 3)
    assert (recording.connects, recording.interrupted) == (3, "")
    assert recording.seconds == pytest.approx(0.3, abs=0.05)


def test_each_connection_has_one_request_under_way(null: int) -> None:
    recording = run(at(null), short(Closed(5)))
    moments = np.linspace(recording.done[50], recording.done[-50], 200)
    under_way = [np.count_nonzero((recording.sent <= now) & (now < recording.done)) for now in moments]
    assert set(under_way) == {5}
    assert recording.health.little == pytest.approx(1, abs=0.001)


def test_open_loop(null: int) -> None:
    recording = run(at(null), short(Open(500, connections=4)))
    assert len(recording.due) in (149, 150, 151)
    assert not failures(recording)
    assert set(np.diff(np.sort(recording.due))) == {2_000_000}
    assert (recording.sent >= recording.due).all()
    assert 0 < recording.health.late_p50 < 0.001
    assert recording.health.little == 0


def test_what_the_kernel_saw_is_within_what_was_seen_here(null: int) -> None:
    recording = run(at(null), short(Open(500)))
    known = recording.wire >= 0
    assert recording.health.wire == known.any()
    assert (recording.wire[known] <= recording.service[known] + tape.SKEW).all()


def test_without_stamps_of_the_kernel_the_report_says_so(null: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "SO_TIMESTAMPNS", 9999)
    recording = run(at(null), short(Closed(1)))
    assert not recording.health.wire
    assert set(recording.wire) == {-1}


def test_live_figures_add_up_to_the_recording(null: int) -> None:
    seen: list[Live] = []
    recording = run(at(null), Profile(Closed(2), 1.2, warmup=0, warmup_limit=0), seen.append)
    assert len(seen) == 2  # at most twice a second
    assert 0 < sum(len(live.latencies) for live in seen) <= len(recording.due)
    assert all(0 < live.p50 <= live.p99 and live.rate > 0 and not live.warming for live in seen)
    assert seen[-1].elapsed < seen[-1].total == pytest.approx(1.2, abs=0.1)


def test_1500_connections(null: int) -> None:
    recording = run(at(null), short(Closed(1500), 2.0))
    assert answers(recording) == len(recording.due) >= 1500
    assert recording.connects == 1500


def test_more_connections_than_the_soft_limit_allows(null: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = len(list(Path("/proc/self/fd").iterdir()))
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 20, hard))
    try:
        assert not failures(run(at(null), short(Closed(100))))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_more_connections_than_the_hard_limit_allows(null: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 512))
    with pytest.raises(ConfigError, match="1000 connections need") as caught:
        run(at(null), short(Closed(1000)))
    assert "at most" in caught.value.hint


def test_an_unknown_host() -> None:
    with pytest.raises(ConfigError, match="nowhere.invalid"):
        run(Target("nowhere.invalid", 80), short(Closed(1)))


def test_of_the_addresses_of_a_name_the_one_that_is_served(null: int, monkeypatch: pytest.MonkeyPatch) -> None:
    unserved = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2", 1))
    served = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", null))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [unserved, served])
    assert not failures(run(Target("localhost", null), short(Closed(1))))


@pytest.mark.parametrize("status", [204, 301, 404, 500, 503])
def test_every_status_is_an_answer(status: int) -> None:
    with raw_server(repeating(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status)) as server:
        recording = run(at(server.port), short(Closed(2)))
    assert set(recording.status) == {status}
    assert not failures(recording)


def test_errors_are_shown_while_they_happen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "LOOK", load.SECOND // 20)
    seen: list[Live] = []
    with raw_server(repeating(b"HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n")) as server:
        run(at(server.port), short(Open(200)), seen.append)
    assert 0 < seen[0].errors < seen[-1].errors
    assert seen[-1].errors == sum(len(live.latencies) for live in seen)


def test_a_body_that_does_not_go_at_once() -> None:
    body = b"x" * (8 << 20)

    def talk(client: socket.socket) -> None:
        while got := client.recv(1 << 16):
            head, _, rest = got.partition(b"\r\n\r\n")
            missing = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0]) - len(rest)
            while missing:
                missing -= len(client.recv(1 << 16))
            client.sendall(OK)

    with raw_server(talk) as server:
        recording = run(at(server.port, method="POST", body=body), short(Closed(2)))
    assert answers(recording) == len(recording.due) > 0
    assert recording.connects == 2


def test_an_answer_before_all_was_sent_ends_the_connection() -> None:
    def talk(client: socket.socket) -> None:
        client.recv(1 << 16)
        client.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        while client.recv(1 << 20):
            pass

    with raw_server(talk) as server:
        recording = run(at(server.port, method="POST", body=b"x" * (32 << 20)), short(Closed(1)))
    assert recording.status.max() == 413
    assert recording.connects > 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\n\r\nok",
    ],
)
def test_a_connection_for_each_answer(answer: bytes) -> None:
    with raw_server(repeating(answer, closing=True)) as server:
        recording = run(at(server.port), short(Closed(2)))
    assert answers(recording) == len(recording.due) > 2
    assert recording.connects >= len(recording.due)
    assert recording.health.little > 0.9  # connecting is part of the latency


def test_answers_in_pieces() -> None:
    whole = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nt: 1\r\n\r\n"

    def talk(client: socket.socket) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while client.recv(65536):
            for place in range(0, len(whole), 7):
                client.sendall(whole[place : place + 7])

    with raw_server(talk) as server:
        recording = run(at(server.port), short(Closed(2)))
    assert answers(recording) == len(recording.due) > 2
    assert recording.connects == 2


def test_a_connection_that_breaks_is_a_failure_and_is_made_anew() -> None:
    def talk(client: socket.socket) -> None:
        for _ in range(3):
            client.recv(65536)
            client.sendall(OK)
        client.recv(65536)
        reset(client)

    with raw_server(talk) as server:
        recording = run(at(server.port), short(Closed(2)))
    counted = Counter(recording.failure.tolist())
    assert counted.keys() == {Failure.NONE, Failure.RESET}
    assert counted[Failure.NONE] / counted[Failure.RESET] == pytest.approx(3, rel=0.5)
    assert set(recording.status[recording.failure == Failure.RESET]) == {0}


def test_an_answer_that_ends_too_soon() -> None:
    with raw_server(repeating(OK[:-1], closing=True)) as server:
        recording = run(at(server.port), short(Closed(2)))
    assert failures(recording) == {Failure.CLOSED}
    assert answers(recording) == 0


def test_what_is_not_http() -> None:
    with raw_server(repeating(b"220 mail.example ESMTP\r\n")) as server:
        recording = run(at(server.port), short(Closed(2)))
    assert failures(recording) == {Failure.MALFORMED}


def test_a_target_that_hangs_up_is_not_asked_without_a_pause() -> None:
    with raw_server(lambda client: None) as server:
        recording = run(at(server.port), short(Closed(2)))
    assert failures(recording) <= {Failure.CLOSED, Failure.RESET}
    assert 0 < len(recording.due) < 40


@pytest.mark.parametrize("kind", [Closed(2), Open(40, connections=2)])
def test_a_target_that_does_not_take_connections(kind: Closed | Open) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, socket.socket() as first:
        first.connect(full.getsockname())  # nobody accepts it, and there is no room for another
        recording = run(at(full.getsockname()[1]), short(kind, timeout=0.2))
    assert failures(recording) == {Failure.TIMEOUT}
    assert answers(recording) == 0


@pytest.mark.parametrize("kind", [Closed(2), Open(40, connections=2)])
def test_a_target_that_does_not_answer(kind: Closed | Open) -> None:
    with raw_server(silent) as server:
        recording = run(at(server.port), short(kind, timeout=0.2))
    assert failures(recording) == {Failure.TIMEOUT}
    assert answers(recording) == 0
    assert recording.response.min() >= 200_000_000
    assert np.median(recording.response) < 400_000_000
    assert recording.interrupted == ""


def test_those_that_found_no_idle_connection_are_counted() -> None:
    never = threading.Event()

    def talk(client: socket.socket) -> None:
        while client.recv(65536):
            never.wait(0.02)
            client.sendall(OK)

    with raw_server(talk) as server:
        recording = run(at(server.port), short(Open(100, connections=1)))
    assert not failures(recording)
    assert 25 <= len(recording.due) <= 32
    assert recording.health.waited > 0.8
    assert recording.response.max() > 2 * recording.service.max()


@pytest.mark.parametrize("kind", [Closed(2), Open(100)])
def test_a_target_that_was_never_there(kind: Closed | Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "GONE", load.SECOND // 4)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    recording = run(at(port), Profile(kind, duration=30, warmup=0, warmup_limit=0))
    assert failures(recording) == {Failure.REFUSED}
    assert recording.interrupted.startswith("the target is gone")
    assert recording.seconds < 5


@pytest.mark.parametrize("kind", [Closed(4), Open(500)])
def test_a_target_that_dies(kind: Closed | Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "GONE", load.SECOND // 4)
    server = RawServer(repeating(OK))
    looks = iter(range(1000))

    def stop() -> bool:
        if next(looks) == 5:
            server.die()
        return False

    recording = run(at(server.port), Profile(kind, duration=30, warmup=0, warmup_limit=0), stop=stop)
    assert answers(recording) > 10
    assert failures(recording) & {Failure.REFUSED, Failure.RESET}
    assert recording.interrupted.startswith("the target is gone")
    assert recording.seconds < 5


@pytest.mark.parametrize("kind", [Closed(4), Open(200)])
def test_a_target_that_comes_back(kind: Closed | Open) -> None:
    servers = [RawServer(repeating(OK))]
    looks = iter(range(1000))

    def stop() -> bool:
        look = next(looks)
        if look == 4:
            servers[0].die()
        if look == 8:
            servers.append(RawServer(repeating(OK), servers[0].port))
        return False

    recording = run(at(servers[0].port), Profile(kind, 0.8, warmup=0, warmup_limit=0), stop=stop)
    servers[1].die()
    fine = recording.done[recording.failure == Failure.NONE]
    broken = recording.done[recording.failure != Failure.NONE]
    assert recording.interrupted == ""
    assert fine.min() < broken.min() <= broken.max() < fine.max()


def test_connections_that_the_server_closes_while_idle_are_no_failures() -> None:
    def talk(client: socket.socket) -> None:
        client.settimeout(0.02)
        while client.recv(65536):
            client.sendall(OK)

    with raw_server(talk) as server:
        recording = run(at(server.port), short(Open(20, connections=4), 0.5))
    assert not failures(recording)
    assert recording.connects >= 10


def test_connections_that_the_server_resets_while_idle_are_no_failures() -> None:
    def talk(client: socket.socket) -> None:
        client.settimeout(0.02)
        try:
            while client.recv(65536):
                client.sendall(OK)
        except TimeoutError:
            reset(client)

    with raw_server(talk) as server:
        recording = run(at(server.port), short(Open(20, connections=4), 0.8))
    assert not failures(recording)
    assert len(recording.due) in (15, 16, 17)  # none is lost
    assert recording.connects >= 15


def test_connections_are_not_used_after_a_long_idle_time(null: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "STALE", 1_000_000)
    recording = run(at(null), short(Open(100, connections=2)))
    assert not failures(recording)
    assert recording.connects >= len(recording.due)


def test_the_answer_to_head() -> None:
    with raw_server(repeating(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")) as server:
        recording = run(at(server.port, method="HEAD"), short(Closed(1)))
    assert answers(recording) == len(recording.due) > 2


def test_what_is_asked_to_stop_stops(null: int) -> None:
    looks = iter([False] * 4 + [True])
    recording = run(at(null), Profile(Closed(2), 30, warmup=0, warmup_limit=0), stop=lambda: next(looks))
    assert recording.interrupted == "stopped"
    assert 0 < recording.seconds < 5
    assert answers(recording) == len(recording.due) > 10


def test_interrupted_while_measuring(null: int) -> None:
    looks = iter(range(5))

    def stop() -> bool:
        if next(looks) == 4:
            raise KeyboardInterrupt
        return False

    recording = run(at(null), Profile(Closed(2), 30, warmup=0, warmup_limit=0), stop=stop)
    assert (recording.interrupted, len(recording.due) > 10) == ("stopped", True)


def test_interrupted_while_warming_up(null: int) -> None:
    recording = run(at(null), Profile(Open(100), 30, warmup=20), stop=lambda: True)
    assert (recording.interrupted, recording.seconds, len(recording.due)) == ("stopped", 0, 0)


def test_the_collector_of_garbage_works_again_afterwards(null: int) -> None:
    assert gc.isenabled()
    frozen = gc.get_freeze_count()
    run(at(null), short(Closed(1)))
    assert (gc.isenabled(), gc.get_freeze_count()) == (True, frozen)


def test_a_run_without_an_end_outlives_its_target(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "GONE", load.SECOND // 10)
    looks = iter(range(1000))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    recording = run(at(port), Profile(Open(100), ENDLESS, 0, 0), stop=lambda: next(looks) >= 10)
    assert failures(recording) == {Failure.REFUSED}
    assert (recording.interrupted, recording.seconds > 0.3) == ("", True)


def test_a_run_without_an_end_tells_of_what_was_under_way_when_it_was_stopped() -> None:
    looks = iter(range(1000))
    with raw_server(silent) as server:
        profile = Profile(Open(100), ENDLESS, 0, 0, timeout=0.3)
        recording = run(at(server.port), profile, stop=lambda: next(looks) >= 2)
    assert failures(recording) == {Failure.TIMEOUT}
    assert len(recording.due) >= 5
    assert recording.interrupted == ""
