"""What is kept of a version, what is not, and that an engine comes back from it as it was."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautilus_cli.errors import ConfigError
from nautilus_cli.fleet import Build, Engine, HealthCheck, Resources, Service, Update, Volume, aspects, fingerprint
from nautilus_cli.history import as_it_was, before, cause, last_changed, newest_first, specification, versioned
from nautilus_cli.snapshot import Snapshot, State, Version
from tests.conftest import engine, fleet, replica


def version(serial: int = 1, name: str = "risk", **changes: Any) -> Version:
    values: dict[str, Any] = {
        "engine": name,
        "serial": serial,
        "at": f"2026-11-22T10:0{serial}:00+00:00",
        "who": "ann@desk",
        "cause": "up: image changed",
        "fingerprint": f"v{serial}",
        "image": "img:1",
        "image_id": "sha256:1",
        "aspects": {"image": "1"},
        "spec": specification(engine(name)),
    }
    return Version(**{**values, **changes})


def written(one: Engine) -> dict[str, Any]:
    """A specification as it is read from its file."""
    read: dict[str, Any] = json.loads(json.dumps(specification(one)))
    return read


@given(
    environment=st.dictionaries(st.sampled_from(["LEVEL", "DB_PASSWORD", "API_TOKEN", "URL", "KEYS"]), st.text()),
    command=st.none() | st.lists(st.text(min_size=1), min_size=1, max_size=3).map(tuple),
    memory=st.none() | st.integers(6 * 2**20, 2**40),
    path=st.sampled_from(["/health", "/healthz"]),
    delay=st.integers(0, 3600),
)
def test_an_engine_comes_back_as_it_was(
    environment: dict[str, str], command: tuple[str, ...] | None, memory: int | None, path: str, delay: int
) -> None:
    one = engine(
        environment=environment,
        command=command,
        resources=Resources.model_validate({"memory": memory}),
        healthcheck=HealthCheck(path=path),
        update=Update.model_validate({"delay": f"{delay}s", "max_failure_ratio": 0.25}),
        volumes=(Volume(source="data", target="/data"),),
    )
    assert as_it_was(version(spec=written(one), image=one.image), fleet(one)) == one


def test_values_that_look_secret_are_not_kept_and_come_from_the_file_of_now() -> None:
    url = "redis://user:hush@cache/0"
    kept = specification(engine(environment={"DB_PASSWORD": "hush", "CACHE": url, "LEVEL": "info"}))
    assert "hush" not in json.dumps(kept)
    assert kept["private"] == ["CACHE", "DB_PASSWORD"]
    today = engine(environment={"DB_PASSWORD": "other", "CACHE": url, "LEVEL": "debug"})
    was = as_it_was(version(spec=kept), fleet(today))
    assert was.environment == {"DB_PASSWORD": "other", "CACHE": url, "LEVEL": "info"}


def test_what_the_file_does_not_have_any_more_is_named() -> None:
    spec = specification(engine(environment={"API_KEY": "1"}, secrets=("pass",), depends_on=("redis",)))
    with pytest.raises(ConfigError) as refused:
        as_it_was(version(3, spec=spec), fleet(engine()))
    assert refused.value.message == (
        "risk: version 3 needs what the file does not have now: variable API_KEY, secret pass, redis in depends_on"
    )


def test_a_version_goes_back_and_counts_limits_and_ports_stay() -> None:
    was = engine(image="img:1", environment={"A": "1"}, port=8000, healthcheck=HealthCheck(path="/old"))
    now = engine(
        build=Build(context="."), image=None, port=9000, resources=Resources(cpus=2), healthcheck=HealthCheck(retries=9)
    )
    back = versioned(now, was)
    assert fingerprint(aspects(back, "id", {})) == fingerprint(aspects(was, "id", {}))
    assert (back.port, back.resources, back.build) == (9000, Resources(cpus=2), None)
    assert (back.healthcheck.path, back.healthcheck.retries) == ("/old", 9)


def test_the_version_before_is_the_newest_that_does_not_run() -> None:
    versions = (version(1), version(2), version(3))
    runs = Snapshot(versions=versions, replicas=(replica(1, "v3"), replica(2, "v1", State.EXITED)))
    assert before(runs, "risk") == versions[1]
    assert before(replace(runs, replicas=(replica(1, "v3"), replica(2, "v4"))), "risk") == versions[2]
    assert before(replace(runs, versions=versions[2:]), "risk") is None
    assert before(runs, "factor") is None


def test_the_latest_change_names_its_engines() -> None:
    at = "2026-11-22T11:00:00+00:00"
    versions = [version(1), version(2, at=at), version(9, "factor", at="2026-11-22T09:00:00+00:00")]
    assert last_changed([*versions, version(1, "alpha", at=at)]) == ["alpha", "risk"]
    assert last_changed([]) == []
    assert [v.serial for v in newest_first(versions, "risk")] == [2, 1]


def test_a_cause_says_the_command_and_what_changed() -> None:
    assert cause("up", {"image": "2"}, None) == "up: first version"
    assert cause("rollback risk=1", {"image": "2", "b": "1"}, version(aspects={"image": "1", "b": "1"})) == (
        "rollback risk=1: image changed"
    )


def test_a_service_in_depends_on_is_found() -> None:
    redis = Service(name="redis", image="redis:8")
    spec = specification(engine(depends_on=("redis",)))
    assert as_it_was(version(spec=spec), fleet(engine(), redis)).depends_on == ("redis",)
