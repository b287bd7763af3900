"""Builds and pulls on a real Docker host: nothing twice, nothing left over, and errors that say where."""

from __future__ import annotations

import json
import re
import signal
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import docker.errors
import pytest
from docker.api.client import APIClient

from nautilus_cli.errors import BuildFailed
from nautilus_cli.events import Event, Phase, silent
from nautilus_cli.fleet import Build, Engine, Fleet
from nautilus_cli.runtimes import images as module
from nautilus_cli.runtimes.images import Images
from tests.conftest import engine, fleet

pytestmark = pytest.mark.docker

BASE = "nautilus/base:trixie"
SCRIPT = f"""
ARG BASE_IMAGE={BASE}
FROM $BASE_IMAGE AS shared
COPY base /base
RUN echo shared; cat /proc/sys/kernel/random/uuid > /made
FROM $BASE_IMAGE
COPY --from=shared /made /made
ARG ENGINE
COPY $ENGINE /engine
RUN cat /proc/sys/kernel/random/uuid > /own
"""


class Project:
    """A fleet of three engines in a folder of its own, and what was told of it."""

    def __init__(self, api: APIClient, folder: Path) -> None:
        self.api = api
        self.name = f"imgtest-{uuid.uuid4().hex[:8]}"
        self.context = folder / "engines"
        for name in ("base", "risk", "factor", "analytics"):
            (self.context / name).mkdir(parents=True)
            self.write(f"{name}/model.py", name)
        self.write("base/shared.py", self.name)  # no cache of an earlier run can answer
        self.write("Dockerfile", SCRIPT)
        self.events: list[Event] = []
        made = fleet(*(self.engine(name) for name in ("risk", "factor", "analytics")), name=self.name)
        self.fleet: Fleet = made.model_copy(update={"directory": str(folder)})
        self.images = Images(api, self.fleet)

    def engine(self, name: str = "risk", **changes: Any) -> Engine:
        return engine(name, image=None, build=Build(**{"context": "engines", **changes}))

    def write(self, path: str, text: str) -> None:
        """Write a file of the context; stages get a label, by which `clean` finds what has no name."""
        if path == "Dockerfile":
            text = re.sub(r"(?m)^(FROM .*)$", rf"\1\nLABEL imgtest={self.name}", text)
        (self.context / path).write_text(text)

    def ensure(self, *engines: Engine) -> dict[str, str | None]:
        """The ids of the images after all were ensured at once, by engine."""
        wanted = engines or tuple(self.fleet.engines.values())
        with ThreadPoolExecutor(len(wanted)) as pool:
            list(pool.map(lambda e: self.images.ensure(e, self.events.append), wanted))
        return {e.name: self.images.wanted(e).id for e in wanted}

    def told(self, phase: Phase) -> list[str]:
        return sorted(event.subject for event in self.events if event.phase == phase)

    def read(self, image: str | None, path: str) -> str:
        """A file of an image."""
        container = self.api.create_container(image, ["cat", path])["Id"]
        try:
            self.api.start(container)
            assert self.api.wait(container, timeout=30)["StatusCode"] == 0
            return self.api.logs(container).decode().strip()
        finally:
            self.api.remove_container(container, force=True)

    def clean(self) -> None:
        """Remove every image of this project: those with a name, and the stages that they were copied from."""
        for label in (f"{module.FLEET}={self.name}", f"imgtest={self.name}"):
            for image in self.api.images(filters={"label": label}):
                for reference in [tag for tag in image["RepoTags"] or () if "<none>" not in tag] or [image["Id"]]:
                    self.api.remove_image(reference)


@pytest.fixture
def api() -> Iterator[APIClient]:
    client = APIClient(timeout=60)
    yield client
    client.close()


@pytest.fixture
def project(api: APIClient, tmp_path: Path) -> Iterator[Project]:
    made = Project(api, tmp_path)
    yield made
    made.clean()


def until(question: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not question():
        assert time.monotonic() < deadline, f"still not so after {seconds} s"
        time.sleep(0.02)


def next_second(now: float) -> None:
    until(lambda: int(time.time()) > int(now))


def test_what_is_built_stays_and_an_edit_rebuilds_only_its_own(project: Project) -> None:
    before = project.ensure()
    assert None not in before.values()
    assert project.told(Phase.DONE) == ["analytics", "factor", "risk"]

    project.events.clear()
    assert project.ensure() == before
    assert project.events == []

    project.write("risk/model.py", "edited")
    after = project.ensure()
    assert [name for name in before if before[name] != after[name]] == ["risk"]
    assert project.told(Phase.STARTED) == ["risk"]


def test_engines_of_one_recipe_run_its_shared_steps_once(project: Project) -> None:
    built = project.ensure()
    assert len({project.read(image, "/made") for image in built.values()}) == 1
    assert len({project.read(image, "/own") for image in built.values()}) == 3


def test_arguments_and_the_bases_id_change_the_tag(project: Project) -> None:
    risk = project.engine()
    plain = project.images.wanted(risk).reference
    other = project.images.wanted(project.engine(args={"BASE_IMAGE": BASE, "X": "1"})).reference
    moving = f"{project.name}/moving"
    on_moving = project.engine(args={"BASE_IMAGE": f"{moving}:1"})
    project.api.tag(BASE, moving, "1")
    try:
        first = project.images.wanted(on_moving).reference
        project.api.tag(project.ensure(risk)["risk"], moving, "1")
        second = project.images.wanted(on_moving).reference
    finally:
        project.api.remove_image(f"{moving}:1")
    assert len({plain, other, first, second}) == 4


def test_an_image_says_what_it_is_under_names_that_no_replica_bears(project: Project) -> None:
    built = project.ensure(project.engine())["risk"]
    labels = project.api.inspect_image(built)["Config"]["Labels"]
    assert (
        labels.items()
        >= {
            "io.nautilus.image.fleet": project.name,
            "io.nautilus.image.engine": "risk",
            "io.nautilus.image.content": project.images.wanted(project.engine()).reference.split(":")[1],
            "org.opencontainers.image.base.name": BASE,
        }.items()
    )
    assert not labels.keys() & {"io.nautilus.fleet", "io.nautilus.engine", "io.nautilus.role"}


def test_a_failing_step_is_named_with_the_end_of_its_log(project: Project) -> None:
    step = "RUN for i in $(seq 40); do echo line $i; done; exit 3"
    project.write("Dockerfile", f"FROM {BASE}\n{step}\n")
    with pytest.raises(BuildFailed) as failure:
        project.ensure(project.engine())
    first, *log = failure.value.message.splitlines()
    assert first.startswith("risk: Dockerfile failed at step 3/")
    assert first.endswith(f"{step}: the command ended with code 3")
    assert [line.strip() for line in log] == [f"line {i}" for i in range(26, 41)]
    assert "Dockerfile" in failure.value.hint
    assert project.images.wanted(project.engine()).id is None
    assert project.told(Phase.FAILED) == ["risk"]


def test_a_stage_that_succeeds_before_another_fails_is_not_the_image(project: Project) -> None:
    project.write("Dockerfile", f"FROM {BASE} AS one\nRUN true\nFROM {BASE}\nCOPY --from=one /nothing /x\n")
    with pytest.raises(BuildFailed, match=r"step 6/\d+ COPY --from=one /nothing /x: .*not"):
        project.ensure(project.engine())
    assert project.images.wanted(project.engine()).id is None


def test_a_dockerfile_that_docker_does_not_understand_fails_with_its_reason(project: Project) -> None:
    project.write("Dockerfile", f"FROM {BASE}\nRUNN x\n")
    with pytest.raises(BuildFailed, match=r"risk: Dockerfile failed.*unknown instruction: RUNN"):
        project.ensure(project.engine())


def test_a_target_and_arguments_that_nobody_takes(project: Project) -> None:
    shared = project.engine(target="shared", args={"TYPO": "1"})
    built = project.ensure(shared)["risk"]
    assert project.read(built, "/base/shared.py") == project.name
    assert [e.text for e in project.events if e.phase == Phase.WARNING] == [
        "One or more build-args [TYPO] were not consumed"
    ]


@pytest.mark.parametrize("built", [False, True])
def test_an_image_that_cannot_be_pulled_fails_soon_and_clearly(project: Project, built: bool) -> None:
    missing = f"registry.invalid/{project.name}:1"
    project.write("Dockerfile", f"FROM {missing}\n")
    wanted = project.engine() if built else engine(image=missing)
    began = time.monotonic()
    with pytest.raises(BuildFailed, match=f"risk: image '{missing}' is not here and cannot be pulled: .*registry.inv"):
        project.images.ensure(wanted, project.events.append)
    assert time.monotonic() - began < 30
    assert [event.verb for event in project.events] == ["pull", "pull"]


def test_a_name_that_docker_refuses_is_said_to_be_none(project: Project) -> None:
    with pytest.raises(BuildFailed, match="'UPPER/Case:1' is not the name of an image"):
        project.images.wanted(engine(image="UPPER/Case:1"))


def test_a_registry_that_never_answers_is_given_up(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SILENCE", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent_registry:
        image = f"127.0.0.1:{silent_registry.getsockname()[1]}/{project.name}:1"
        began = time.monotonic()
        with pytest.raises(BuildFailed, match="cannot be pulled: Docker said nothing for 1 s"):
            project.images.ensure(engine(image=image), silent)
        assert time.monotonic() - began < 10


def test_two_callers_that_know_nothing_of_each_other_get_one_image(project: Project) -> None:
    risk, both_began = project.engine(), threading.Barrier(2, timeout=30)
    clients = [APIClient(timeout=60) for _ in range(2)]

    def emit(event: Event) -> None:
        project.events.append(event)
        if event.phase == Phase.STARTED:
            both_began.wait()

    with ThreadPoolExecutor(2) as pool:
        both = [Images(client, project.fleet) for client in clients]
        list(pool.map(lambda images: images.ensure(risk, emit), both))
    ids = {images.wanted(risk).id for images in both}
    for client in clients:
        client.close()
    mine = project.api.images(filters={"label": f"{module.FLEET}={project.name}"})
    assert [image["Id"] for image in mine] == list(ids)
    assert project.told(Phase.DONE) == ["risk", "risk"]


def _sleepers(api: APIClient, word: str) -> list[str]:
    return [c["Id"] for c in api.containers(all=True) if word in c["Command"]]


@pytest.mark.parametrize("interrupted", [True, False])
def test_a_build_that_is_cut_short_leaves_nothing_running(project: Project, interrupted: bool) -> None:
    word = f"sleep 4321 {project.name}"
    project.write("Dockerfile", f"FROM {BASE}\nRUN sh -c 'sleep 4321' '{word}'\n")
    watcher, ended = APIClient(timeout=60), threading.Event()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # who runs tests in the background ignores it

    def interrupt() -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    def cut() -> None:
        until(lambda: _sleepers(watcher, project.name))
        if not interrupted:
            project.images.cancel()
            return
        interrupt()
        while not ended.wait(5):  # a signal that comes just before a thread begins to wait does not wake it
            interrupt()

    def build() -> None:
        try:
            project.images.ensure(project.engine(), silent)
        finally:
            ended.set()

    thread = threading.Thread(target=cut)
    thread.start()
    with pytest.raises(KeyboardInterrupt if interrupted else BuildFailed, match=None if interrupted else "interrupted"):
        build()
    thread.join(10)
    signal.signal(signal.SIGINT, before)
    until(lambda: not _sleepers(watcher, project.name))
    watcher.close()
    assert project.images.wanted(project.engine()).id is None


def test_a_password_of_an_index_never_stays_in_the_image(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://me:hunter2@mirror.invalid/simple")
    monkeypatch.setenv("HTTPS_PROXY", "http://me:hunter3@proxy.invalid:1")
    show = 'RUN echo "$PIP_INDEX_URL $HTTPS_PROXY" > /seen'
    early = f"FROM {BASE} AS one\nARG PIP_INDEX_URL\n{show}\nFROM {BASE}\nCOPY --from=one /seen /seen\nRUN true\n"
    late = f"FROM {BASE}\nARG PIP_INDEX_URL\n{show}\n"
    seen = {}
    for text in (early, late):
        project.write("Dockerfile", text)
        built = project.ensure(project.engine())["risk"]
        assert "hunter" not in json.dumps(project.api.history(built))
        seen[text] = project.read(built, "/seen")
    assert seen[early] == "https://me:hunter2@mirror.invalid/simple http://me:hunter3@proxy.invalid:1"
    assert seen[late] == "http://me:hunter3@proxy.invalid:1"
    warning = next(event.text for event in project.events if event.phase == Phase.WARNING)
    assert warning.startswith("PIP_INDEX_URL holds a password")


def test_the_hosts_certificates_reach_a_build_that_asks(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "bundle").write_text("certificates")
    copy = "COPY Dockerfile .nautilu[s]/ca.crt* /tmp/nautilus-ca/"
    project.write("Dockerfile", f"FROM {BASE}\n{copy}\nRUN ls /tmp/nautilus-ca > /seen\n")
    for name in ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    without = project.images.wanted(project.engine())
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "bundle"))
    assert project.images.wanted(project.engine()) == without
    built = project.ensure(project.engine())["risk"]
    assert project.read(built, "/tmp/nautilus-ca/ca.crt") == "certificates"


def test_a_recipe_in_memory_is_built_once(project: Project) -> None:
    files = {"Dockerfile": f"FROM {BASE}\nCOPY start.sh /\n".encode(), "start.sh": b"echo"}
    for _ in range(2):
        project.images.ensure_recipe("gateway", files, {}, project.events.append)
    found = project.images.wanted_recipe("gateway", files, {})
    assert project.told(Phase.DONE) == ["gateway"]
    assert project.read(found.id, "/start.sh") == "echo"


def test_prune_keeps_the_newest_and_those_in_use(project: Project) -> None:
    tags = []
    for number in range(5):
        project.write("risk/model.py", str(number))
        project.ensure(project.engine())
        tags.append(project.images.wanted(project.engine()).reference)
        if number < 4:  # the daemon's clock for images has whole seconds
            next_second(time.time())
    container = project.api.create_container(tags[0], ["true"])["Id"]
    try:
        assert project.images.prune(["risk"]) == (tags[1],)
        assert project.images.prune(["risk"]) == ()
    finally:
        project.api.remove_container(container)
    assert project.images.prune(["risk"]) == (tags[0],)
    with pytest.raises(docker.errors.ImageNotFound):
        project.api.inspect_image(tags[0])
