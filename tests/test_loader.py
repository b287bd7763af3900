"""engines.yaml becomes a fleet: short forms, defaults, files beside it, variables, names."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from nautilus_cli.errors import ConfigError
from nautilus_cli.fleet import Bench, Engine, Fleet, Replicas, Security, Slo, Ulimit, Volume
from nautilus_cli.loader import Loaded, load

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes an engines.yaml into a folder that holds a build context."""
    for folder in ("base", "risk", "two_words"):
        (tmp_path / "engines" / folder).mkdir(parents=True)
    (tmp_path / "engines" / "Dockerfile").write_text("FROM scratch\n")

    def to(text: str) -> Path:
        file = tmp_path / "engines.yaml"
        file.write_text(text)
        return file

    return to


def fleet_of(file: Path, environ: Mapping[str, str] | None = None) -> Fleet:
    loaded = load([file], environ or {})
    assert loaded.warnings == ()
    return loaded.fleet


def one(write: Write, lines: str, environ: Mapping[str, str] | None = None) -> Engine:
    """The one engine `a` with an image and these further lines."""
    return fleet_of(write(f"engines:\n  a:\n    image: nginx\n    port: 80\n{_indented(lines)}"), environ).engines["a"]


def _indented(lines: str) -> str:
    return "".join(f"    {line}\n" for line in lines.splitlines())


def test_the_least_that_is_needed(write: Write) -> None:
    file = write("engines: {a: {image: nginx, port: 80}}")
    assert fleet_of(file) == Fleet(
        name=file.parent.name.replace("_", "-")[:40],
        directory=str(file.parent),
        engines={"a": Engine(name="a", image="nginx", port=80, container_port=80)},
    )


@pytest.mark.parametrize(
    ("lines", "replicas"),
    [
        ("replicas: 3", Replicas(min=3, max=3)),
        ("replicas: {min: 2}", Replicas(min=2, max=2)),
        ("replicas: {max: 2}", Replicas(min=1, max=2)),
        ("replicas:", Replicas(min=1, max=1)),
    ],
)
def test_replicas(write: Write, lines: str, replicas: Replicas) -> None:
    assert one(write, lines).replicas == replicas


def test_environment_as_a_mapping_or_a_list(write: Write) -> None:
    caller = {"TAKEN": "from the caller"}
    expected = {"A": "1.10", "B": "true", "C": "", "D": "x=y", "TAKEN": "from the caller"}
    mapping = 'environment: {A: 1.10, B: true, C: "", D: "x=y", TAKEN: , ABSENT: }'
    listed = "environment: [A=1.10, B=true, C=, 'D=x=y', TAKEN, ABSENT]"
    assert one(write, mapping, caller).environment == expected
    assert one(write, listed, caller).environment == expected


def test_words_of_yaml_that_are_text_here(write: Write) -> None:
    lines = "restart: no\nenvironment: {A: no, B: 1:30, C: 2024-01-01, D: 0x10, E: ~x, F: on}"
    engine = one(write, lines)
    assert engine.restart == "no"
    assert engine.environment == {"A": "no", "B": "1:30", "C": "2024-01-01", "D": "0x10", "E": "~x", "F": "on"}


def test_an_env_file_is_read_and_the_environment_wins(write: Write, tmp_path: Path) -> None:
    (tmp_path / "a.env").write_text("A=1\nB=1\nexport C='x y'\n")
    (tmp_path / "b.env").write_text("B=2\nD=${HOST}\n")
    engine = one(write, "env_file: [a.env, b.env]\nenvironment: {A: 3}", {"HOST": "h"})
    assert engine.environment == {"A": "3", "B": "2", "C": "x y", "D": "h"}
    assert one(write, "env_file: a.env").environment == {"A": "1", "B": "1", "C": "x y"}


def test_commands(write: Write) -> None:
    engine = one(write, "command: sh -c 'echo $$HOME'\nentrypoint: [tini, --, 8080]")
    assert engine.command == ("sh", "-c", "echo $HOME")
    assert engine.entrypoint == ("tini", "--", "8080")
    assert one(write, "command: []").command == ()


def test_volumes(write: Write, tmp_path: Path) -> None:
    for folder in ("site", "x"):
        (tmp_path / folder).mkdir()
    lines = 'volumes: ["data:/data", "./site:/site:ro", "/etc:/host:rw", "~/x:/x"]'
    assert one(write, lines, {"HOME": f"{tmp_path}/site/.."}).volumes == (
        Volume(source="data", target="/data"),
        Volume(source=f"{tmp_path}/site", target="/site", read_only=True),
        Volume(source="/etc", target="/host"),
        Volume(source=f"{tmp_path}/x", target="/x"),
    )


def test_tmpfs_ulimits_labels(write: Write) -> None:
    engine = one(write, "tmpfs: /run\nulimits: {nofile: 1024, core: {soft: 0, hard: -1}}\nlabels: [team=web, bare]")
    assert engine.tmpfs == ("/run",)
    assert engine.ulimits == {"nofile": Ulimit(soft=1024, hard=1024), "core": Ulimit(soft=0, hard=-1)}
    assert engine.labels == {"team": "web", "bare": ""}


def test_secrets(write: Write, tmp_path: Path) -> None:
    (tmp_path / "key.txt").write_text("hush")
    text = """
        engines: {a: {image: nginx, port: 80, secrets: [key, password]}}
        secrets: {key: {file: ./key.txt}, password: {environment: DB_PASSWORD}}
        """
    fleet = fleet_of(write(text), {"DB_PASSWORD": "hush"})
    assert fleet.secrets["key"].file == f"{tmp_path}/key.txt"
    assert fleet.secrets["password"].environment == "DB_PASSWORD"
    assert fleet.engines["a"].secrets == ("key", "password")


def test_a_build_is_strict_and_takes_its_own_folder(write: Write, tmp_path: Path) -> None:
    fleet = fleet_of(write("engines: {risk: {build: engines, port: 80}, two-words: {build: ./engines/, port: 81}}"))
    risk = fleet.engines["risk"]
    assert risk.build
    assert (risk.build.context, risk.build.inputs) == (f"{tmp_path}/engines", ("Dockerfile", "base", "risk"))
    assert risk.security == Security(user="1000", read_only=True, cap_drop=("ALL",), pids=256)
    assert risk.tmpfs == ("/tmp",)
    other = fleet.engines["two-words"].build
    assert other
    assert other.inputs == ("Dockerfile", "base", "two_words")


def test_a_context_without_the_engines_folder_is_all_its_own(write: Write) -> None:
    build = fleet_of(write("engines: {web: {build: engines, port: 80}}")).engines["web"].build
    assert build
    assert build.inputs == (".",)


def test_build_arguments_may_be_the_callers(write: Write) -> None:
    text = "engines: {risk: {build: {context: engines, args: [A=1, B, C], inputs: risk}, port: 80}}"
    build = fleet_of(write(text), {"B": "2"}).engines["risk"].build
    assert build
    assert (build.args, build.inputs) == ({"A": "1", "B": "2", "C": ""}, ("risk",))


DEFAULTS = """
defaults:
  build: {context: engines, args: {A: 1}}
  healthcheck: {path: /ready, interval: 5s}
  environment: [A=1, B=2]
  security: {pids: 99, cap_add: [NET_RAW]}
  resources: {cpus: 1, memory: 1GiB}
  volumes: ["one:/one"]
engines:
  risk:
    port: 80
    build: {args: {B: 2}}
    healthcheck: {interval: 7s}
    environment: {B: 3}
    resources: {memory: }
    security: {user: , pids: 5}
    volumes: ["two:/two"]
  web: {image: nginx, port: 81}
services:
  store: {image: redis}
"""


def test_defaults_are_merged_under_every_engine(write: Write) -> None:
    risk = fleet_of(write(DEFAULTS)).engines["risk"]
    assert risk.build
    assert risk.build.args == {"A": "1", "B": "2"}
    assert (risk.healthcheck.path, risk.healthcheck.interval) == ("/ready", 7.0)
    assert risk.environment == {"A": "1", "B": "3"}
    assert (risk.resources.cpus, risk.resources.memory) == (1.0, None)
    assert risk.volumes == (Volume(source="two", target="/two"),)
    assert risk.security == Security(read_only=True, cap_drop=("ALL",), cap_add=("NET_RAW",), pids=5)


def test_an_image_takes_neither_build_nor_security_of_the_defaults(write: Write) -> None:
    fleet = fleet_of(write(DEFAULTS))
    assert fleet.engines["web"].build is None
    assert fleet.engines["web"].security == fleet.services["store"].security == Security()
    assert fleet.engines["web"].tmpfs == ()
    assert fleet.engines["web"].healthcheck.path == "/ready"
    assert fleet.services["store"].environment == {}


def test_an_image_may_be_tightened(write: Write) -> None:
    assert one(write, "security: {read_only: true}").security == Security(read_only=True)


def test_redis_listens_where_redis_does(write: Write) -> None:
    text = "engines: {a: {image: nginx, port: 80}}\nservices: {r: {kind: redis, image: redis}, s: {image: s}}"
    services = fleet_of(write(text)).services
    assert (services["r"].port, services["s"].port) == (6379, None)


def test_a_service_is_asked_by_a_command(write: Write) -> None:
    text = "engines: {a: {image: nginx, port: 80}}\nservices: {s: {image: s, healthcheck: {command: pg_isready -U me}}}"
    assert fleet_of(write(text)).services["s"].healthcheck.command == ("pg_isready", "-U", "me")


def test_anchors_merge_keys_and_own_keys(write: Write) -> None:
    text = """
        x-base: &base {image: nginx, replicas: 2, x-note: mine, environment: {x-keep: 1}}
        x-more: &more {replicas: 9, init: true}
        engines:
          a: {<<: *base, port: 80}
          b: {<<: [*base, *more], port: 81, image: httpd}
        """
    engines = fleet_of(write(text)).engines
    assert engines["a"].replicas == engines["b"].replicas == Replicas(min=2, max=2)
    assert (engines["a"].init, engines["b"].init) == (False, True)
    assert (engines["a"].image, engines["b"].image) == ("nginx", "httpd")
    assert engines["a"].environment == {"x-keep": "1"}


def test_order_is_kept(write: Write) -> None:
    fleet = fleet_of(
        write("engines:\n" + "".join(f"  {n}: {{image: i, port: {80 + i}}}\n" for i, n in enumerate("zamb")))
    )
    assert list(fleet.engines) == list("zamb")


def test_variables_are_read_once_more(write: Write) -> None:
    engine = one(
        write,
        "replicas: ${N}\ninit: ${YES}\nenvironment: {A: '${N}', B: \"${EMPTY}\"}",
        {"N": "3", "YES": "true", "EMPTY": ""},
    )
    assert engine.replicas == Replicas(min=3, max=3)
    assert engine.init is True
    assert engine.environment == {"A": "3", "B": ""}


def test_dotenv_beside_the_file_and_the_environment_wins(write: Write, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("N=3\nTAG=one\n")
    file = write("engines: {a: {image: 'nginx:${TAG}', port: 80, replicas: '${N}'}}")
    assert fleet_of(file, {"TAG": "two"}).engines["a"].image == "nginx:two"
    assert fleet_of(file).engines["a"].replicas.max == 3


def test_an_unset_variable_is_empty_with_a_warning(write: Write) -> None:
    file = write("engines:\n  a:\n    image: nginx\n    port: 80\n    labels: {a: 'x${NOPE}'}\n")
    loaded = load([file], {})
    assert loaded.fleet.engines["a"].labels == {"a": "x"}
    assert loaded.warnings == (
        f"{file}:5:14: engines.a.labels.a: NOPE is not set and has no default; it counts as empty",
    )


@pytest.mark.parametrize(
    ("lines", "warning"),
    [
        (
            "gateway: {bind: 0.0.0.0}",
            "5:11: gateway.bind: whoever reaches 0.0.0.0 reaches every engine; 127.0.0.1 keeps them to this machine",
        ),
        (
            "x-a: 1\ndefaults: {update: {monitor: 2s}}",
            "6:21: defaults.update.monitor: update.monitor (2 s) is shorter than healthcheck.timeout (5 s): "
            "a new replica that hangs would count as good",
        ),
        ("defaults: {volumes: ['./nope:/x']}", "5:22: defaults.volumes[0]: './nope' does not exist on this machine"),
    ],
)
def test_warnings(write: Write, lines: str, warning: str) -> None:
    file = write(f"engines:\n  a:\n    image: nginx\n    port: 80\n{lines}\n")
    assert load([file], {}).warnings == (f"{file}:{warning}",)


@pytest.mark.parametrize(
    "lines", ["gateway: {bind: '::1'}", "defaults: {update: {monitor: 0s}}", "defaults: {healthcheck: {timeout: 3s}}"]
)
def test_what_warns_of_nothing(write: Write, lines: str) -> None:
    fleet_of(write(f"engines: {{a: {{image: nginx, port: 80}}}}\n{lines}\n"))


def test_the_name_is_the_arguments_the_environments_the_files_or_the_folders(tmp_path: Path) -> None:
    folder = tmp_path / "--My Fleet_2!"
    folder.mkdir()
    file = folder / "engines.yaml"
    rest = "engines: {a: {image: nginx, port: 80}}\n"
    file.write_text(rest)
    assert load([file], {}).fleet.name == "my-fleet-2"
    file.write_text("name: mine\n" + rest)
    assert load([file], {}).fleet.name == "mine"
    assert load([file], {"NAUTILUS_PROJECT_NAME": "env"}).fleet.name == "env"
    assert load([file], {"NAUTILUS_PROJECT_NAME": "env"}, name="arg").fleet.name == "arg"


def test_the_gateway_is_built_on_the_base_image_of_the_environment(write: Write) -> None:
    rest = "engines: {a: {image: nginx, port: 80}}\n"
    assert fleet_of(write(rest)).gateway.base_image == "python:3.13-slim-bookworm"
    assert fleet_of(write(rest), {"NAUTILUS_BASE_IMAGE": "mine:1"}).gateway.base_image == "mine:1"
    assert fleet_of(write(rest + "gateway: {base_image: other}")).gateway.base_image == "other"


def test_slo_and_bench_are_merged_with_defaults_and_headers_may_begin_with_x(write: Write) -> None:
    (risk,) = fleet_of(
        write(
            """
            defaults: {slo: {errors: 0.1%, p99: 9ms}, bench: {headers: {x-desk: fx}}}
            engines:
              risk:
                image: nginx
                port: 80
                slo: {p99: 2ms}
                bench: {path: "/a?b=c", method: POST, body: 12, headers: [X-User=me], rate: 50}
            """
        )
    ).engines.values()
    assert risk.slo == Slo.model_validate({"p99": "2ms", "errors": "0.1%"})
    assert risk.bench == Bench(
        path="/a?b=c", method="POST", body="12", headers={"x-desk": "fx", "X-User": "me"}, rate=50
    )


def test_a_variable_that_is_no_text_does_no_harm(write: Write) -> None:
    assert one(write, "environment: [RAW]", {"RAW": "a\udcffb"}).environment == {"RAW": "a\N{REPLACEMENT CHARACTER}b"}


def test_relative_files(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write("engines: {risk: {build: engines, port: 80}}")
    monkeypatch.chdir(file.parent)
    fleet = load([Path("engines.yaml")], {}).fleet
    assert fleet.directory == str(file.parent.resolve())


def test_no_file_at_all() -> None:
    with pytest.raises(ConfigError, match="no file was given"):
        load([], {})


def test_loading_is_quick_to_import() -> None:
    heavy = "('docker', 'rich', 'httpx', 'numpy', 'typer')"
    code = f"import sys, nautilus_cli.loader; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_loaded_is_frozen(write: Write) -> None:
    loaded = load([write("engines: {a: {image: nginx, port: 80}}")], {})
    with pytest.raises(AttributeError):
        loaded.fleet = loaded.fleet  # type: ignore[misc]
    assert isinstance(loaded, Loaded)
