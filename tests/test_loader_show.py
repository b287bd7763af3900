"""What `nautilus config` shows: the resolved fleet, YAML that loads again, the JSON Schema; and the shipped example."""

from __future__ import annotations

import json
import re
import shutil
import string
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import HealthCheck as Check
from hypothesis import given, settings
from hypothesis import strategies as st

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
    Security,
    Service,
    Slo,
    Ulimit,
    Update,
    Volume,
)
from nautilus_cli.loader import load, render, resolved, schema
from tests.test_loader_faults import OF_A_FILE, OF_AN_ENGINE

SCHEMA = jsonschema.Draft202012Validator(schema())
ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "engines.yaml"


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """The shipped engines.yaml beside the folders that it names, and nothing else."""
    for name in ("base", "analytics", "risk", "factor"):
        (tmp_path / "engines" / name).mkdir(parents=True)
    (tmp_path / "engines" / "Dockerfile").write_text("FROM scratch\n")
    return Path(shutil.copy(EXAMPLE, tmp_path))


def uncommented(text: str) -> str:
    """The example with everything that it only shows put into force."""
    lines = text.splitlines()
    start = lines.index("  # web:")
    end = next(at for at in range(start, len(lines)) if not lines[at].startswith("  #"))
    web = [line.replace("# ", "", 1) for line in lines[start:end]]
    rest = [
        re.sub(r"^( *)# ((?:inputs|target|cap_add|container_port|healthcheck|base_image):.*)", r"\1\2", x)
        for x in lines
    ]
    text = "\n".join(rest[:start] + web + rest[end:]) + "\n"
    return re.sub(r"^# (secrets:|  \w+: \{.*)", r"\1", text, flags=re.MULTILINE)


def test_the_example_loads_without_faults_and_warnings(example: Path) -> None:
    loaded = load([example], {})
    assert loaded.warnings == ()
    told = {
        name: (e.port, e.resources.cpus, e.resources.memory, e.replicas.min, e.replicas.max, e.healthcheck.interval)
        for name, e in loaded.fleet.engines.items()
    }
    assert (
        told.items()
        >= {  # `nautilus new engine` adds more
            "analytics": (8100, 2, 4 * 2**30, 2, 8, 30),
            "risk": (8200, 0.5, 2**30, 1, 3, 10),
            "factor": (8300, 4, 8 * 2**30, 4, 12, 30),
        }.items()
    )
    redis = loaded.fleet.services["redis"]
    assert (redis.kind, redis.resources.memory) == ("redis", 512 * 2**20)
    assert redis.volumes == (Volume(source="redis-data", target="/data"),)
    assert loaded.fleet.gateway.metrics_port == 8099


def test_what_the_example_only_shows_loads_too(example: Path, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "engines" / "shared").mkdir()
    (tmp_path / "api_key.txt").write_text("hush")
    (tmp_path / "web.env").write_text("A=1\n")
    example.write_text(uncommented(example.read_text()))
    loaded = load([example], {"DB_PASSWORD": "hush"})
    assert loaded.warnings == ()
    web = loaded.fleet.engines["web"]
    assert web.ulimits == {"nofile": Ulimit(soft=4096, hard=65536)}
    assert (web.security, web.stop_signal, web.secrets) == (Security(), "SIGQUIT", ("api_key",))
    assert loaded.fleet.services["redis"].healthcheck.command == ("pg_isready", "-U", "postgres")
    assert loaded.fleet.engines["analytics"].container_port == 8000


def keys_of(part: Any) -> set[str]:
    """Every key that a JSON Schema allows by name."""
    if isinstance(part, list):
        return {key for item in part for key in keys_of(item)}
    if not isinstance(part, dict):
        return set()
    return set(part.get("properties", ())) | {key for item in part.values() for key in keys_of(item)}


def test_the_example_mentions_every_key() -> None:
    text = EXAMPLE.read_text()
    keys = keys_of(schema())
    assert len(keys) > 50
    assert {key for key in keys if not re.search(rf"(^|[\s{{,#]){key}:", text, re.MULTILINE)} == set()


def test_the_example_says_the_true_defaults() -> None:
    """What is written beside a key as its default is the default."""
    said = re.findall(r"Default: ([\w/-]+)\.\n +([a-z_]+):", EXAMPLE.read_text())
    models = {**Update().model_dump(mode="json"), **HealthCheck().model_dump(mode="json")}
    told = {key: value for value, key in said if key in models}
    assert len(told) == 12
    assert told == {key: {"1m": "60s"}.get(str(models[key]), str(models[key])) for key in told}


def test_the_schema_is_one_and_takes_the_example() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    text = EXAMPLE.read_text()
    SCHEMA.validate(yaml.safe_load(text))
    SCHEMA.validate(yaml.safe_load(uncommented(text)))
    assert json.loads(json.dumps(schema())) == schema()


def test_the_schema_takes_what_is_rendered(example: Path) -> None:
    SCHEMA.validate(resolved(load([example], {}).fleet))


# What only the loader can know: other parts of the file, files beside it, variables and characters.
BEYOND = re.compile(
    r"min 5|stands here twice|there is no|wait for|taken by|mounted on|stands in this list|cannot be read|nautilus"
    r"|more than|'\$|must be set|closed|possible|kernel|no name of a variable|is not a user|a/\.\.|this name too"
    r"|needs build|both build|at least one engine|context: is required|longer than|\[0\]: 'x' is not an abs|granted"
    r"|the tag|name of a volume|no time at all|not an IP|hush|0' is no|not set|merges|cap_drop|soft|not a rate"
    r"|HTTP header"
)


@pytest.mark.parametrize(
    "text",
    [
        *(
            f"engines:\n  a:\n    image: nginx\n    port: 80\n    {x}\n"
            for x, said in OF_AN_ENGINE
            if not BEYOND.search(said)
        ),
        *(text for text, said in OF_A_FILE[30:] if isinstance(text, str) and said and not BEYOND.search(said)),
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(text: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        SCHEMA.validate(yaml.safe_load(text))


@pytest.mark.parametrize(
    "line",
    [
        "replicas: 3", "replicas: {max: 3}", "port: '${PORT}'", "replicas: '${N:-3}'", "command: a b",
        "command: [a, 1]",
        "environment: [A=1, B]", "environment: {A: 1, B: , C: true}", "env_file: a", "env_file: [a, b]", "tmpfs: /x",
        "ulimits: {nofile: 1, core: {soft: 0, hard: -1}}", "labels: [a=b]", "x-mine: {any: thing}", "init: '${INIT}'",
        "resources: {cpus: 0.5, memory: 1048576000, x-why: not}", "volumes: ['./a:/b:ro', 'c:/d']",
        "slo: {p99: 5ms, errors: 0.1%}", "bench: {path: /x, headers: [A=b], rate: 5}", "bench: {headers: {x-a: 1}}",
        "security: {user: 1000, cap_add: [NET_RAW]}", "stop_signal: SIGRTMIN+3", "healthcheck: {interval: 1m30s}",
    ],
)  # fmt: skip
def test_the_schema_takes_short_forms_variables_and_own_keys(line: str) -> None:
    engine = {"image": "nginx", "port": 80, **yaml.safe_load(line)}
    SCHEMA.validate({"engines": {"a": engine}, "x-own": 1})


def test_the_schema_documents_every_key_and_writes_defaults_as_people_do() -> None:
    described = schema()
    for name, part in [("Fleet", described), *described["$defs"].items()]:
        for key, value in part.get("properties", {}).items():
            assert "description" in value or "$ref" in value, f"{name}.{key}"
    assert described["$defs"]["HealthCheck"]["properties"]["start_period"]["default"] == "1m"


def fleet_with(tmp_path: Path, **values: Any) -> Fleet:
    a = Engine(name="a", image="nginx", port=80, container_port=80, **values)
    return Fleet(name="demo", directory=str(tmp_path), engines={"a": a})


def test_resolved_is_in_the_units_of_the_file(tmp_path: Path) -> None:
    resources = Resources.model_validate({"cpus": 2, "memory": "4GiB"})
    volumes = (Volume(source="d", target="/d", read_only=True),)
    shown = resolved(fleet_with(tmp_path, resources=resources, volumes=volumes, command=("a", "b")))
    engine = shown["engines"]["a"]
    assert engine["resources"] == {"cpus": 2, "memory": "4GiB"}
    assert (engine["volumes"], engine["command"]) == (["d:/d:ro"], ["a", "b"])
    assert engine["healthcheck"]["interval"] == "30s"
    assert "count" not in engine
    assert "directory" not in shown


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("DB_PASSWORD", "hush", "********"),
        ("api_key", "hush", "********"),
        ("GITHUB_TOKEN", "hush", "********"),
        ("clientSecret", "hush", "********"),
        ("PRIVATE_KEY_PEM", "hush", "********"),
        ("AWS_ACCESS_KEY_ID", "hush", "********"),
        ("DB_PASSWORD", "", ""),
        ("TOKENIZERS_PARALLELISM", "false", "false"),
        ("KEYBOARD", "us", "us"),
        ("URL", "redis://me:hush@host:1/0", "redis://me:********@host:1/0"),
        ("URL", "redis://:hush@host", "redis://:********@host"),
        ("URL", "https://host/a:b@c", "https://host/a:b@c"),
    ],
)
def test_what_looks_like_a_secret_is_masked(tmp_path: Path, key: str, value: str, shown: str) -> None:
    fleet = fleet_with(tmp_path, environment={key: value})
    assert resolved(fleet)["engines"]["a"]["environment"][key] == shown
    assert "hush" not in render(fleet)


def test_the_value_of_a_secret_is_never_shown(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("hush")
    (tmp_path / "engines.yaml").write_text(
        "engines: {a: {image: nginx, port: 80, secrets: [key, env]}}\n"
        "secrets: {key: {file: key}, env: {environment: TOKEN}}\n"
    )
    fleet = load([tmp_path / "engines.yaml"], {"TOKEN": "hush"}).fleet
    assert "hush" not in render(fleet)
    assert resolved(fleet)["secrets"] == {"key": {"file": f"{tmp_path}/key"}, "env": {"environment": "TOKEN"}}


def test_a_header_that_identifies_is_masked(tmp_path: Path) -> None:
    headers = {"Authorization": "hush", "X-Api-Key": "hush", "cookie": "hush", "Accept": "text/plain"}
    shown = resolved(fleet_with(tmp_path, bench=Bench(headers=headers)))["engines"]["a"]["bench"]["headers"]
    assert shown == {**dict.fromkeys(headers, "********"), "Accept": "text/plain"}


def reloaded(fleet: Fleet, folder: Path) -> Fleet:
    (folder / "engines.yaml").write_text(render(fleet), encoding="utf-8")
    return load([folder / "engines.yaml"], {}).fleet


def test_the_example_is_the_same_when_it_is_rendered(example: Path) -> None:
    fleet = load([example], {}).fleet
    assert reloaded(fleet, example.parent) == fleet


TEXTS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=12)
TRICKY = st.sampled_from(
    [
        "\x85",
        "\r",
        "a\u2028b",
        "",
        "no",
        "1e3",
        "08",
        "1.10",
        "null",
        "~",
        "$A",
        "$$",
        "${B:-c}",
        "a: b",
        "- a",
        "#",
        "\t",
        "'",
        "<<",
    ]
)
VALUES = st.one_of(TEXTS, TRICKY)
PLAIN = st.text(string.ascii_letters, min_size=1, max_size=6)
KEYS = PLAIN.filter(lambda key: not re.search("key|pass|token|secret|credential|^PORT$", key, re.IGNORECASE))
URLS = VALUES.filter(lambda value: "@" not in value)  # those of users with passwords are masked
MAPS = st.dictionaries(KEYS, URLS, max_size=3)
LISTS = st.lists(VALUES, max_size=3).map(tuple)
PATHS = st.lists(PLAIN.map(lambda name: f"/{name}"), unique=True, max_size=2)
SECONDS = st.one_of(st.floats(1e-6, 86400), st.integers(1, 86400).map(float)).map(lambda s: f"{s:.9f}s")
COUNTS = st.integers(1, 200)
SECURITY = st.builds(
    Security,
    user=st.one_of(st.none(), st.sampled_from(["1000", "08", "1e3", "nobody:nogroup"])),
    read_only=st.booleans(),
    cap_drop=st.sampled_from([(), ("ALL",)]),
    no_new_privileges=st.booleans(),
    pids=st.one_of(st.none(), st.integers(1, 1000)),
)
RESOURCES = st.builds(
    lambda cpus, memory: Resources.model_validate({"cpus": cpus, "memory": memory}),
    st.one_of(st.none(), st.integers(1, 999).map(lambda n: n / 100)),
    st.one_of(st.none(), st.integers(6 * 2**20, 2**42)),
)
SLOS = st.builds(
    lambda bounds, errors: Slo.model_validate(
        {**dict(zip(("p50", "p90", "p99", "p999"), (f"{us}us" for us in sorted(bounds)), strict=False)), **errors}
    ),
    st.lists(st.integers(1, 10**9), max_size=4),
    st.one_of(st.just({}), st.integers(0, 1000).map(lambda tenths: {"errors": f"{tenths / 10}%"})),
)
BENCHES = st.builds(
    Bench,
    path=st.sampled_from([None, "/a?b=$c"]),
    method=st.sampled_from(["GET", "POST"]),
    headers=st.dictionaries(KEYS, st.sampled_from(["1", "no", "a: b", ""]), max_size=2),
    body=st.one_of(st.none(), VALUES),
    rate=st.one_of(st.none(), st.integers(1, 10**7).map(lambda tenths: tenths / 10)),
)
CHECKS = {"interval": SECONDS, "timeout": SECONDS, "retries": st.integers(1, 9), "start_period": SECONDS}
REPLICAS = st.tuples(COUNTS, COUNTS).map(lambda pair: Replicas(min=min(pair), max=max(pair)))
ULIMITS = st.dictionaries(
    st.sampled_from(["nofile", "core"]), st.integers(0, 9).map(lambda n: Ulimit(soft=n, hard=-1)), max_size=2
)


@st.composite
def workloads(draw: st.DrawFn, /) -> dict[str, Any]:
    """The values of an engine or service that both may have."""
    mounts = draw(PATHS)
    at = draw(st.integers(0, len(mounts)))
    common = {
        "command": st.one_of(st.none(), LISTS),
        "entrypoint": st.one_of(st.none(), LISTS),
        "environment": MAPS,
        "labels": MAPS,
        "init": st.booleans(),
        "ulimits": ULIMITS,
        "stop_signal": st.sampled_from([None, "SIGINT"]),
        "stop_grace_period": SECONDS,
        "restart": st.sampled_from(["no", "always"]),
        "resources": RESOURCES,
        "security": SECURITY,
    }
    return {
        **{key: draw(strategy) for key, strategy in common.items()},
        "volumes": tuple(Volume(source="data", target=path, read_only=draw(st.booleans())) for path in mounts[:at]),
        "tmpfs": tuple(mounts[at:]),
    }


@st.composite
def fleets(draw: st.DrawFn, folder: str) -> Fleet:
    """Any fleet that a file could declare, in a folder with a Dockerfile."""
    build = st.builds(
        Build,
        context=st.just(folder),
        args=MAPS,
        inputs=st.just(("Dockerfile",)),
        target=st.sampled_from([None, "1e3"]),
    )
    service = Service(
        name="store",
        image="redis",
        kind=draw(st.sampled_from(["redis", "container"])),
        port=draw(st.integers(1, 65535)),
        healthcheck=draw(st.builds(CommandCheck, command=LISTS, **CHECKS)),
        **draw(workloads()),
    )
    engines = {}
    for at, name in enumerate(
        draw(st.lists(st.sampled_from(["a", "1", "no", "on-e", "0x1"]), min_size=1, unique=True))
    ):
        source = {"build": draw(build)} if draw(st.booleans()) else {"image": "nginx"}
        engines[name] = Engine(
            name=name,
            port=8000 + at,
            container_port=draw(st.integers(1, 65535)),
            replicas=draw(REPLICAS),
            healthcheck=draw(st.builds(HealthCheck, path=st.just("/$x"), **CHECKS)),
            slo=draw(SLOS),
            bench=draw(BENCHES),
            update=draw(st.builds(Update, parallelism=COUNTS, monitor=SECONDS, drain=SECONDS)),
            depends_on=("store",),
            **source,
            **draw(workloads()),
        )
    gateway = Gateway(
        metrics_port=draw(st.sampled_from([None, 9000])), bind=draw(st.sampled_from(["::1", "127.0.0.1"]))
    )
    return Fleet(name="demo", directory=folder, engines=engines, services={"store": service}, gateway=gateway)


@settings(max_examples=60, deadline=None, suppress_health_check=[Check.function_scoped_fixture, Check.too_slow])
@given(data=st.data())
def test_any_fleet_is_the_same_when_it_is_rendered(tmp_path: Path, data: st.DataObject) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    fleet = data.draw(fleets(str(tmp_path)))
    assert reloaded(fleet, tmp_path) == fleet
    SCHEMA.validate(yaml.safe_load(render(fleet)))
