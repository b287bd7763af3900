"""The fleet's own rules: what a part of it may hold, and what its questions answer."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from nautilus_cli.fleet import (
    Bench,
    Build,
    CommandCheck,
    Engine,
    Fleet,
    Gateway,
    HealthCheck,
    Replicas,
    Resources,
    Secret,
    Security,
    Service,
    Slo,
    Ulimit,
    Update,
    Volume,
    aspects,
    fingerprint,
)
from tests.conftest import engine, fleet


@pytest.mark.parametrize(
    ("model", "values", "text"),
    [
        (Replicas, {"min": 3, "max": 2}, "min 3 is more than max 2"),
        (Replicas, {"min": 0}, "greater than or equal to 1"),
        (Replicas, {"max": 201}, "less than or equal to 200"),
        (Resources, {"memory": "1MiB"}, "'1MiB' of memory cannot be granted; write a size from 6MiB to 1024TiB"),
        (Resources, {"cpus": 0.001}, "0.001 CPUs cannot be granted"),
        (HealthCheck, {"path": "health"}, "'health' is not a path of a URL"),
        (HealthCheck, {"path": '/a"b'}, "is not a path of a URL"),
        (HealthCheck, {"path": "/a b"}, "is not a path of a URL"),
        (HealthCheck, {"path": "/a\r\nb"}, "is not a path of a URL"),
        (HealthCheck, {"timeout": "0s"}, "'0s' is no time at all"),
        (HealthCheck, {"interval": "25h"}, "'25h' is longer than a day"),
        (HealthCheck, {"retries": 0}, "greater than or equal to 1"),
        (Update, {"parallelism": 0}, "greater than or equal to 1"),
        (Security, {"cap_drop": ["NET_BINDD"]}, "'NET_BINDD' is not a capability"),
        (Security, {"user": "a b"}, "'a b' is not a user"),
        (Security, {"user": True}, "valid string"),
        (Volume, {"source": "d", "target": "data"}, "'data' is not an absolute path inside the container"),
        (Volume, {"source": "d", "target": "/a/../b"}, "is not an absolute path inside the container"),
        (Volume, {"source": "d", "target": "/"}, "is not an absolute path inside the container"),
        (Ulimit, {"soft": 2, "hard": 1}, "soft 2 is more than hard 1"),
        (Ulimit, {"soft": -1, "hard": 1}, "soft -1 is more than hard 1"),
        (Secret, {"name": "a"}, "needs exactly one of file and environment"),
        (Secret, {"name": "a", "file": "f", "environment": "E"}, "needs exactly one of file and environment"),
        (Secret, {"name": "../a", "file": "f"}, "'../a' is not the name of a secret"),
        (Gateway, {"bind": "localhost"}, "'localhost' is not an IP address"),
        (Gateway, {"metrics_port": 65536}, "less than or equal to 65535"),
        (Gateway, {"base_image": "a\nRUN x"}, "is not the name of an image"),
        (Service, {"name": "Redis", "image": "r"}, "'Redis' is not a name"),
        (Service, {"name": "r" * 41, "image": "r"}, "is not a name"),
        (Service, {"name": "r", "image": "r", "stop_signal": "SIGNAL"}, "'SIGNAL' is not a signal"),
        (Service, {"name": "r", "image": "r", "tmpfs": ["tmp"]}, "'tmp' is not an absolute path"),
    ],
)
def test_what_a_part_refuses(model: type[BaseModel], values: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(text)):
        model(**values)


def test_min_alone_is_max_too() -> None:
    assert Replicas(min=3) == Replicas(min=3, max=3)
    assert Replicas(max=3) == Replicas(min=1, max=3)


def test_no_limit_of_the_kernel_is_minus_one() -> None:
    assert Ulimit(soft=-1, hard=-1).hard == -1
    assert Ulimit(soft=5, hard=-1).soft == 5


def test_a_capability_may_be_written_as_the_kernel_does() -> None:
    assert Security(cap_add=("CAP_NET_RAW",)).cap_add == ("NET_RAW",)


def test_an_address_of_ipv6() -> None:
    assert Gateway(bind="::1").bind == "::1"


def test_json_is_in_the_units_of_the_file_and_python_is_not() -> None:
    resources = Resources.model_validate({"cpus": 2, "memory": "4GiB"})
    assert resources.model_dump(mode="json") == {"cpus": 2, "memory": "4GiB"}
    assert resources.model_dump() == {"cpus": 2.0, "memory": 4 * 2**30}
    assert HealthCheck().model_dump(mode="json")["interval"] == "30s"
    assert HealthCheck.model_validate(HealthCheck().model_dump(mode="json")) == HealthCheck()


@pytest.mark.parametrize(
    "model",
    [
        Replicas,
        Resources,
        HealthCheck,
        Update,
        Slo,
        Bench,
        Security,
        Build,
        Ulimit,
        Engine,
        CommandCheck,
        Service,
        Secret,
        Gateway,
        Fleet,
    ],
)
def test_every_key_says_what_it_means(model: type[BaseModel]) -> None:
    named = {name for name, field in model.model_fields.items() if not field.description}
    assert named <= {"name"}


def test_surge_and_slots() -> None:
    steady = engine(replicas=Replicas(min=1, max=4), update=Update(order="stop-first", parallelism=2))
    assert (steady.update.surge, steady.slots) == (0, 6)
    assert Update(parallelism=3).surge == 3


def test_only_takes_what_is_needed_directly_or_not() -> None:
    redis, other = Service(name="redis", image="r"), Service(name="other", image="o")
    risk, web = engine("risk", depends_on=("redis",)), engine("web", depends_on=("risk",))
    chosen = fleet(redis, other, risk, web, engine("factor")).only(["web"])
    assert (list(chosen.engines), list(chosen.services)) == (["risk", "web"], ["redis"])


def test_the_empty_fleet_keeps_its_name() -> None:
    emptied = fleet(engine("risk"), Service(name="redis", image="r")).empty()
    assert (emptied.name, emptied.workloads) == ("demo", {})


def test_counts_that_are_chosen_now() -> None:
    counted = fleet(engine("risk"), engine("web")).with_counts({"risk": 5})
    assert {name: e.count for name, e in counted.engines.items()} == {"risk": 5, "web": None}
    assert "count" not in counted.engines["risk"].model_dump()


def test_the_fingerprint_ignores_what_changes_in_place() -> None:
    base = engine()
    same = base.model_copy(
        update={
            "replicas": Replicas(min=2, max=9),
            "resources": Resources.model_validate({"cpus": 2, "memory": "1GiB"}),
            "port": 9000,
            "update": Update(parallelism=4),
            "slo": Slo.model_validate({"p99": "5ms"}),
            "bench": Bench(path="/x", method="POST", headers={"A": "b"}, body="c", rate=5),
            "count": 7,
        }
    )
    assert fingerprint(aspects(base, "sha", {})) == fingerprint(aspects(same, "sha", {}))


@pytest.mark.parametrize(
    ("aspect", "changes"),
    [
        ("command", {"command": ("a",)}),
        ("environment", {"environment": {"A": "1"}}),
        ("mounts", {"tmpfs": ("/run",)}),
        ("security", {"security": Security(read_only=True)}),
        ("limits", {"ulimits": {"nofile": Ulimit(soft=1, hard=1)}}),
        ("labels", {"labels": {"a": "b"}}),
        ("port", {"container_port": 81}),
        ("health check", {"healthcheck": HealthCheck(path="/other")}),
    ],
)
def test_each_aspect_is_one_thing_that_changed(aspect: str, changes: dict[str, Any]) -> None:
    before = aspects(engine(), "sha", {})
    after = aspects(engine(**changes), "sha", {})
    assert {name for name in before if before[name] != after[name]} == {aspect}


def test_a_secret_with_another_content_is_another_replica() -> None:
    holder = engine(secrets=("key",))
    one, two = (aspects(holder, "sha", {"key": content}) for content in ("one", "two"))
    assert {name for name in one if one[name] != two[name]} == {"secrets"}


def test_a_named_volume_is_dockers() -> None:
    assert Volume(source="data", target="/data").named
    assert not Volume(source="/data", target="/data").named


def test_an_objective_as_people_write_it() -> None:
    slo = Slo.parse("p50=2ms, p99.9=10ms, errors=1%")
    assert (slo.p50, slo.p90, slo.p99, slo.p999, slo.errors) == (0.002, None, None, 0.01, 0.01)
    assert Slo.parse("p999=10ms").p999 == Slo.parse("p99.9=10ms").p999


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("p95=5ms", "'p95=5ms' is no objective; write p99=5ms"),
        ("p99", "'p99' is no objective"),
        ("", "'' is no objective"),
        ("p99=1ms,p99=2ms", "'p99=2ms' is no objective"),
        ("p99=fast", "'fast' is not a duration; write 30s, 500ms or 5m"),
        ("errors=2", "'2' is not a share; write 0.1% or 70%"),
        ("p50=2ms,p99=1ms", "p50 0.002 s is more than p99 0.001 s"),
    ],
)
def test_an_objective_that_makes_no_sense(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=f"^{said}"):
        Slo.parse(text)
