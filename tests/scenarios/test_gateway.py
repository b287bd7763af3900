"""The gateway on a real Docker host: what it promises, under load, in both network modes."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import docker
import docker.errors
import pytest
from docker.api.client import APIClient

from nautilus_cli.errors import ConfigError, RolloutFailed
from nautilus_cli.gateways import archive
from nautilus_cli.gateways.base import Session
from nautilus_cli.gateways.config import SOCKET
from nautilus_cli.gateways.haproxy import HAProxy
from nautilus_cli.gateways.shape import APPLIED, FILE
from nautilus_cli.gateways.successor import Successor
from tests.scenarios.gateway_stage import Load, Mode, Stage, build_image, free_port, sweep, wait

pytestmark = pytest.mark.docker

Stages = Callable[..., Stage]
CROWD = 9000
BURST = 400


@pytest.fixture(scope="module")
def api() -> Iterator[APIClient]:
    """The daemon."""
    client = docker.APIClient(version="auto")
    sweep(client)
    yield client
    client.close()


@pytest.fixture(scope="module")
def image(api: APIClient) -> Iterator[str]:
    """The gateway's image."""
    tag = build_image(api)
    yield tag
    api.remove_image(tag, force=True)


@pytest.fixture
def stages(api: APIClient, image: str) -> Iterator[Stages]:
    """Makes stages, and clears them."""
    made: list[Stage] = []

    def make(mode: Mode, **gateway: Any) -> Stage:
        made.append(Stage(api, image, mode, **gateway))
        return made[-1]

    yield make
    for stage in made:
        stage.close()


@pytest.fixture(params=["host", "bridge"])
def stage(request: pytest.FixtureRequest, stages: Stages) -> Stage:
    """A stage in each network mode."""
    return stages(request.param)


@pytest.fixture
def session(stage: Stage) -> Iterator[Session]:
    """An open session with the stage's gateway, which listens for `risk`."""
    stage.gateway.expose([stage.listen()])
    with stage.gateway.session() as opened:
        yield opened


def healthy(session: Session, address: str) -> bool:
    """Whether the gateway found this replica of `risk` healthy."""
    return session.check("risk", address).healthy


def idle(session: Session, address: str) -> bool:
    """Whether it has no request left to answer."""
    return session.check("risk", address).sessions == 0


def answers(stage: Stage, address: str) -> bool:
    """Whether the replica itself says that it is healthy."""
    return stage.get("/health", address, 8000)[0] == 200


def test_replacing_and_reloading_lose_no_request(stage: Stage, session: Session) -> None:
    serving = [stage.serve(session, "a"), stage.serve(session, "b")]
    with Load(stage.port) as load:
        for number in range(6):
            serving.append(stage.serve(session, f"n{number}"))
            leaving = serving.pop(0)
            session.drain("risk", leaving)
            wait(partial(idle, session, leaving))
            session.leave("risk", leaving)
            if number % 2:
                session.save()
            stage.gateway.expose([stage.listen(slots=5 + number)])
        before = load.requests
        wait(lambda: load.requests > before + 200)
    assert load.failures == []
    assert {route.address for route in session.routes() if route.routed} == set(serving)
    assert set(load.names) >= {"a", "b", "n0", "n5"}


def test_a_new_port_is_a_reload_on_the_host_and_a_recreation_in_bridge_mode(stage: Stage, session: Session) -> None:
    stage.serve(session, "a")
    more = [stage.listen(), stage.listen("factor", free_port())]
    words = stage.gateway.pending(more)
    assert words
    assert words.startswith("ports: +" if stage.mode == "host" else "recreated: ports +")
    with Load(stage.port) as load:
        stage.gateway.expose(more)
        before = load.requests
        wait(lambda: load.requests > before + 50)
    assert stage.mode == "bridge" or load.failures == []
    assert stage.gateway.pending(more) is None
    assert stage.get(port=more[1].port) == (503, "no replica of factor can answer\n")
    assert [route.engine for route in session.routes()] == ["risk"]
    assert stage.networks() == [stage.name]


@pytest.mark.parametrize(("owner", "step"), [(Successor, "wait"), (HAProxy, "_start")])
def test_a_recreation_that_is_cut_off_is_finished_by_the_next(
    stages: Stages, owner: type, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed when the new one waits, and when it serves."""
    stage = stages("bridge")
    stage.gateway.expose([stage.listen()])
    with stage.gateway.session() as session:
        stage.serve(session, "a")
        session.save()
    done = getattr(owner, step)

    def killed(*words: Any) -> None:
        done(*words)
        raise KeyboardInterrupt

    more = [stage.listen(), stage.listen("factor", free_port())]
    with monkeypatch.context() as patch:
        patch.setattr(owner, step, killed)
        with pytest.raises(KeyboardInterrupt):
            stage.another().expose(more)
    wait(lambda: stage.get() == (200, "a"))
    stage.another().expose(more)
    wait(lambda: stage.get() == (200, "a"))
    assert stage.get(port=more[1].port)[0] == 503
    assert stage.networks() == [stage.name]
    mark = {"label": [f"io.nautilus.fleet={stage.name}", "io.nautilus.role=gateway"]}
    assert [found["Names"] for found in stage.api.containers(all=True, filters=mark)] == [[f"/{stage.gateway.name}"]]


def test_expose_is_idempotent_and_says_why_it_acts(stage: Stage) -> None:
    wanted = [stage.listen()]
    assert stage.gateway.pending(wanted) == "not running"
    stage.gateway.expose(wanted)
    started = stage.api.inspect_container(stage.gateway.name)["State"]["StartedAt"]
    assert stage.gateway.pending(wanted) is None
    stage.gateway.expose(wanted)
    assert stage.api.inspect_container(stage.gateway.name)["State"]["StartedAt"] == started
    changed = [stage.listen(slots=6, interval="9s")]
    assert stage.gateway.pending(changed) == "room for risk: 4 -> 6; health check of risk"
    assert stage.gateway.pending([]) == "not needed"
    stage.gateway.expose([])
    assert stage.gateway.pending([]) is None


def test_a_killed_gateway_comes_back_with_its_live_routes_only(stage: Stage, session: Session) -> None:
    kept, drained = stage.serve(session, "kept"), stage.serve(session, "drained")
    joining = stage.replica("joining")
    session.join("risk", joining, 8000)
    session.drain("risk", drained)
    session.save()
    top = stage.api.top(stage.gateway.name, "-eo pid,args")["Processes"]
    for row in top:
        if "haproxy" in row[-1]:
            with contextlib.suppress(ProcessLookupError):  # the second dies with the first, which is process 1
                os.kill(int(row[0]), signal.SIGKILL)
    wait(lambda: stage.get() == (200, "kept"))
    assert {stage.get()[1] for _ in range(20)} == {"kept"}
    assert [route.address for route in session.routes()] == [kept]
    assert session.check("risk", joining).detail == "not checked yet"  # who was joining joins again
    wait(lambda: session.check("risk", joining).healthy)


def test_a_stopped_gateway_starts_again_with_its_routes(stage: Stage, session: Session) -> None:
    stage.serve(session, "a")
    session.save()
    stage.api.stop(stage.gateway.name, timeout=1)
    assert stage.gateway.pending([stage.listen()]) == "not running"
    stage.gateway.expose([stage.listen()])
    wait(lambda: stage.get() == (200, "a"))


def test_what_a_gateway_keeps_is_read_while_it_runs_and_when_it_was_stopped_or_removed_by_hand(stage: Stage) -> None:
    assert stage.gateway.kept() == {}
    stage.gateway.expose([stage.listen()])
    running = stage.gateway.kept()
    assert {FILE, APPLIED} <= running.keys()
    assert stage.another().kept() == running  # which has no shell in it, and asks Docker
    stage.api.stop(f"{stage.name}-gateway", timeout=1)
    assert stage.gateway.kept() == running
    stage.api.remove_container(f"{stage.name}-gateway")
    assert stage.gateway.kept() == {}


def test_of_two_gateways_on_one_port_the_second_is_refused(stages: Stages, stage: Stage, session: Session) -> None:
    rival = stages(stage.mode)
    wanted = [rival.listen(port=stage.port)]
    assert rival.gateway.taken([stage.port]) == {stage.port: f"the gateway of fleet {stage.name}"}
    with pytest.raises(ConfigError, match=f"port {stage.port} is held by the gateway of fleet {stage.name}"):
        rival.gateway.expose(wanted)
    assert rival.api.containers(all=True, filters={"label": f"io.nautilus.fleet={rival.name}"}) == []
    assert stage.gateway.taken([stage.port]) == {}
    assert session.routes() == ()


def test_a_port_that_is_lost_at_the_last_moment_is_a_clear_error(
    stages: Stages, stage: Stage, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    rival = stages(stage.mode)
    monkeypatch.setattr(rival.gateway, "taken", lambda _: {})
    with pytest.raises(ConfigError, match=f"port {stage.port} is held by the gateway of fleet {stage.name}"):
        rival.gateway.expose([rival.listen(port=stage.port)])
    assert rival.api.containers(all=True, filters={"label": f"io.nautilus.fleet={rival.name}"}) == []
    stage.serve(session, "a")
    assert stage.get() == (200, "a")
    # A gateway that runs goes on as it was.
    rival.gateway.expose([rival.listen()])
    with rival.gateway.session() as other:
        rival.serve(other, "own")
        with pytest.raises(ConfigError, match=str(stage.port)):
            rival.gateway.expose([rival.listen(), rival.listen("factor", stage.port)])
        assert rival.gateway.pending([rival.listen()]) is None
        wait(lambda: rival.get() == (200, "own"))


def test_a_program_that_holds_a_port_is_found_first(stage: Stage) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert stage.gateway.taken([port, stage.port]) == {port: "another program"}
        with pytest.raises(ConfigError, match=f"port {port} is held by another program"):
            stage.gateway.expose([stage.listen(port=port)])


def test_ipv6_loopback_and_the_fleets_network_reach_the_engines(stage: Stage, session: Session) -> None:
    stage.serve(session, "a")
    assert stage.get(host="::1") == (200, "a")
    inner = stage.network.address if stage.mode == "host" else "risk"
    code = f"import urllib.request as u; print(u.urlopen('http://{inner}:{stage.port}/', timeout=5).read().decode())"
    prober = stage.replica("prober", command=["sleep", "600"])
    made = stage.api.exec_create(f"{stage.name}-prober", ["python3", "-c", code])
    assert stage.api.exec_start(made["Id"]).decode().strip() == "a", prober


def test_a_replica_that_answers_503_is_never_routed(stage: Stage, session: Session) -> None:
    stage.serve(session, "good")
    bad = stage.replica("bad", ready_after=3600)
    session.join("risk", bad, 8000)
    wait(lambda: session.check("risk", bad).detail == "answers 503")
    with pytest.raises(RolloutFailed, match="answers 503"):
        session.route("risk", bad)
    assert {stage.get()[1] for _ in range(30)} == {"good"}
    assert not session.check("risk", bad).routed


def test_the_words_of_a_check(stage: Stage, session: Session) -> None:
    silent = stage.replica("silent", command=["sleep", "600"])
    assert session.check("risk", silent).detail == "unknown to the gateway"
    session.join("risk", silent, 8000)
    wait(lambda: session.check("risk", silent).detail == "connection refused")
    code = "import socket,time; s=socket.create_server(('',8000)); time.sleep(600)"
    deaf = stage.replica("deaf", command=["python3", "-c", code])
    session.join("risk", deaf, 8000)
    wait(lambda: session.check("risk", deaf).detail == "no answer within 2s")


def test_health_is_never_that_of_the_predecessor_in_a_slot(stage: Stage) -> None:
    stage.gateway.expose([stage.listen(slots=1, retries=1)])
    replicas = [stage.replica("a"), stage.replica("b")]
    for address in replicas:
        wait(partial(answers, stage, address))
    late = []
    with stage.gateway.session() as session:
        for number in range(20):
            address = replicas[number % 2]
            stage.get("/unready?for=0.3", address, 8000)
            session.join("risk", address, 8000)
            wait(partial(healthy, session, address))
            seen, first = time.time(), float(stage.get("/first", address, 8000)[1])
            assert 0 < first <= seen
            late.append(seen - first)
            session.route("risk", address)
            assert stage.get()[1] == "ab"[number % 2]
            session.leave("risk", address)
    assert sorted(late)[10] < 0.1


def test_crashed_replicas_leave_at_once_and_come_back_by_themselves(stage: Stage, session: Session) -> None:
    for name in ("a", "b"):
        stage.serve(session, name)
    with Load(stage.port, methods=("GET",) * 4) as load:
        stage.crash("a")
        before = load.requests
        wait(lambda: load.requests > before + 200)
    assert len(load.failures) <= 4  # at most what was under way, one a thread
    wait(lambda: {stage.get()[1] for _ in range(4)} == {"a", "b"}, 30)
    for name in ("a", "b"):
        stage.crash(name)
    wait(lambda: {stage.get()[1] for _ in range(4)} == {"a", "b"}, 30)


def test_a_burst_at_an_only_replica_that_accepts_slowly_costs_nothing(stage: Stage) -> None:
    """Its accept queue holds five connections."""
    stage.gateway.expose([replace(stage.listen(), concurrency=32)])
    with stage.gateway.session() as session:
        stage.serve(session, "tiny", backlog=5)
        assert burst(stage, BURST) == {(200, "tiny"): BURST}


def test_an_only_replica_is_not_given_up_for_connections_that_it_does_not_take(stage: Stage, session: Session) -> None:
    """It accepts nothing for longer than a connection may take, while its accept queue is full."""
    address = stage.serve(session, "stalled", backlog=5)
    assert stage.get("/stall?for=2.5", address, 8000)[0] == 200
    assert burst(stage, 30) == {(200, "stalled"): 30}


def test_a_replica_that_is_killed_costs_those_who_wait_nothing(stage: Stage) -> None:
    stage.gateway.expose([replace(stage.listen(), concurrency=2)])
    with stage.gateway.session() as session:
        for name in ("a", "b"):
            stage.serve(session, name)
        with Load(stage.port, methods=("GET",) * 12, path="/slow?for=0.05") as load:
            wait(lambda: set(load.names) == {"a", "b"})
            stage.crash("a")
            before = load.requests
            wait(lambda: load.requests > before + 100)
        assert load.failures == []
        wait(lambda: {stage.get()[1] for _ in range(4)} == {"a", "b"}, 30)


def test_a_crowd_at_one_port_leaves_room_for_the_others(stages: Stages) -> None:
    """More connections than the gateway can hold, none of which asks for anything."""
    stage, crowded = stages("host"), free_port()
    stage.gateway.expose([stage.listen(), stage.listen("factor", crowded)])
    with stage.gateway.session() as session:
        stage.serve(session, "a")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with contextlib.ExitStack() as crowd:
        crowd.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        for _ in range(CROWD):
            guest = crowd.enter_context(socket.socket())
            guest.setblocking(False)
            guest.connect_ex(("127.0.0.1", crowded))
        wait(lambda: held(stage) >= 4000)
        assert [stage.get() for _ in range(10)] == [(200, "a")] * 10


def burst(stage: Stage, clients: int) -> Counter[tuple[int, str]]:
    """What so many clients that come at once are answered, half of whose requests may not be repeated."""
    together = threading.Barrier(clients)

    def ask(number: int) -> tuple[int, str]:
        together.wait()
        return stage.get(method=("GET", "POST")[number % 2])

    with ThreadPoolExecutor(clients) as pool:
        return Counter(pool.map(ask, range(clients)))


def held(stage: Stage) -> int:
    """How many connections the gateway holds now."""
    made = stage.api.exec_create(
        stage.gateway.name, ["sh", "-c", f"echo show info | socat STDIO UNIX-CONNECT:{SOCKET}"]
    )
    said: str = stage.api.exec_start(made["Id"]).decode()
    return int(next(line.split()[1] for line in said.splitlines() if line.startswith("CurrConns:")))


def test_a_file_that_haproxy_refuses_leaves_the_gateway_alone(stage: Stage, session: Session) -> None:
    stage.serve(session, "a")
    with pytest.raises(RolloutFailed, match="cannot be configured: config : parsing"):
        stage.gateway.expose([stage.listen("two words")])
    assert stage.get() == (200, "a")
    assert stage.gateway.pending([stage.listen()]) is None
    assert "two words" not in (archive.read(stage.api, stage.gateway.name, FILE) or "")


def test_a_session_outlives_the_reloads_of_others(stage: Stage, session: Session) -> None:
    stage.serve(session, "a")
    slow = threading.Thread(target=stage.get, args=("/slow?for=3",))
    slow.start()  # it keeps the old worker there
    wait(lambda: session.routes()[0].sessions == 1)
    stage.another().expose([stage.listen(slots=7)])
    address = stage.serve(session, "b")
    assert {stage.get()[1] for _ in range(6)} == {"a", "b"}
    assert session.check("risk", address).routed
    slow.join()


def test_one_session_serves_many_threads_and_leaves_no_process(stage: Stage) -> None:
    stage.gateway.expose([stage.listen(slots=8)])
    addresses = [stage.replica(f"r{number}") for number in range(6)]
    with stage.gateway.session() as session:

        def rollout(address: str) -> None:
            session.join("risk", address, 8000)
            wait(lambda: session.check("risk", address).healthy)
            session.route("risk", address)

        with ThreadPoolExecutor(6) as pool:
            list(pool.map(rollout, addresses))
        routes = session.routes()
        assert [(r.address, r.routed, r.healthy) for r in routes] == [(a, True, True) for a in sorted(addresses)]
        assert any("socat" in line for line in stage.processes())
    wait(lambda: not any("socat" in line for line in stage.processes()))


def test_metrics_are_for_the_host_and_not_for_the_engines(stages: Stages) -> None:
    for mode in ("host", "bridge"):
        port = free_port()
        stage = stages(mode, metrics_port=port)
        stage.gateway.expose([stage.listen()])
        status, text = stage.get("/metrics", port=port)
        assert (status, "haproxy_backend_status" in text) == (200, True)
        code = (
            "import urllib.request as u, urllib.error as e\n"
            f"try: print(u.urlopen('http://{stage.network.subnet.rpartition('.')[0]}.HOST:{port}/metrics').status)\n"
            "except OSError as error: print(getattr(error, 'code', 'refused'))"
        ).replace("HOST", "1" if mode == "host" else "2")
        stage.replica("prober", command=["sleep", "600"])
        made = stage.api.exec_create(f"{stage.name}-prober", ["python3", "-c", code])
        assert stage.api.exec_start(made["Id"]).decode().strip() == ("refused" if mode == "host" else "403")


def test_the_container_may_do_little(stage: Stage, session: Session) -> None:
    made = stage.api.inspect_container(stage.gateway.name)
    host = made["HostConfig"]
    assert made["Config"]["User"] == "1234:1234"
    assert (host["ReadonlyRootfs"], host["CapDrop"], host["CapAdd"]) == (True, ["ALL"], None)
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["LogConfig"]["Config"] == {"max-size": "10m", "max-file": "3"}
    assert host["RestartPolicy"]["Name"] == "always"
    assert "check" in (archive.read(stage.api, stage.gateway.name, APPLIED) or "")
    assert session.routes() == ()
