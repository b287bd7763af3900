"""Several files as one fleet: Compose's rules, and faults that name their own file."""
# ruff: noqa: E501 - a case is one line, and a message is compared as the one line that it is

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
import yaml
from hypothesis import HealthCheck as Check
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from nautilus_cli.errors import ConfigError
from nautilus_cli.fleet import Engine, Fleet, Replicas, Ulimit, Volume
from nautilus_cli.loader import Loaded, annotated, load, render
from nautilus_cli.loader.faults import Place
from nautilus_cli.loader.overlay import LISTS, overlaid
from nautilus_cli.loader.tree import Node, node_of, plain
from tests.test_loader_show import fleets

Layers = Callable[..., Loaded]
NAMES = ("engines.yaml", "production.yaml", "third.yaml")
BASE = "engines:\n  a:\n    image: nginx\n    port: 80\n"


@pytest.fixture
def layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layers:
    """Writes these texts as files, and loads them in this order from within their folder."""
    monkeypatch.chdir(tmp_path)
    for folder in ("base", "risk", "factor"):
        (tmp_path / "engines" / folder).mkdir(parents=True)
    (tmp_path / "engines" / "Dockerfile").write_text("FROM scratch\n")

    def loaded(*texts: str, environ: Mapping[str, str] | None = None, name: str | None = None) -> Loaded:
        for file, text in zip(NAMES, texts, strict=False):
            Path(file).write_text(text)
        return load([Path(file) for file in NAMES[: len(texts)]], environ or {}, name)

    return loaded


def engine(layers: Layers, *parts: str) -> Engine:
    """The engine `a` of which each file says one part."""
    heads = ("image: nginx, port: 80, ", "", "")
    texts = [f"engines: {{a: {{{head}{part}}}}}" for head, part in zip(heads, parts, strict=False)]
    engines: dict[str, Engine] = layers(*texts).fleet.engines
    return engines["a"]


def faults(layers: Layers, *texts: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        layers(*texts)
    return caught.value.message.splitlines()


@pytest.mark.parametrize(
    ("under", "over", "key", "value"),
    [
        ("init: true", "init: false", "init", False),
        ("environment: {A: 1, B: 1}", "environment: [B=2, C=3]", "environment", {"A": "1", "B": "2", "C": "3"}),
        ("labels: [a=1]", "labels: {b: 2}", "labels", {"a": "1", "b": "2"}),
        ("replicas: {min: 2, max: 4}", "replicas: {max: 8}", "replicas", Replicas(min=2, max=8)),
        ("replicas: {min: 2, max: 4}", "replicas: 1", "replicas", Replicas(min=1, max=1)),
        ("ulimits: {nofile: 9}", "ulimits: {nofile: {soft: 8}}", "ulimits", {"nofile": Ulimit(soft=8, hard=9)}),
        ("ulimits: {nofile: 9}", "ulimits: {core: 1, nofile: 3}", "ulimits", {"nofile": Ulimit(soft=3, hard=3), "core": Ulimit(soft=1, hard=1)}),
        ("command: a b", "command: [c]", "command", ("c",)),
        ("entrypoint: [a, b]", "entrypoint: c", "entrypoint", ("c",)),
        ("command: a b", "command: ", "command", None),
        ("tmpfs: /a", "tmpfs: [/b, /a]", "tmpfs", ("/a", "/b")),
        ("tmpfs: [/a]", "tmpfs: ", "tmpfs", ("/a",)),
        ("tmpfs: ", "tmpfs: [/a]", "tmpfs", ("/a",)),
        ("stop_signal: SIGINT", "stop_signal: ", "stop_signal", None),
        ("volumes: ['a:/a', 'b:/b']", "volumes: ['c:/c', 'd:/a:ro']", "volumes", (Volume(source="d", target="/a", read_only=True), Volume(source="b", target="/b"), Volume(source="c", target="/c"))),
        ("tmpfs: [/a]", "tmpfs: !reset []", "tmpfs", ()),
        ("tmpfs: [/a]", "tmpfs: !reset ", "tmpfs", ()),
        ("tmpfs: [/a]", "tmpfs: !override [/b]", "tmpfs", ("/b",)),
        ("tmpfs: [/a]", "tmpfs: !override /b", "tmpfs", ("/b",)),
        ("environment: {A: 1, B: 2}", "environment: {A: !reset null}", "environment", {"B": "2"}),
        ("environment: {A: 1, B: 2}", "environment: !override {C: 3, D: !reset x}", "environment", {"C": "3"}),
        ("environment: {A: 1}", "environment: !override [C=3]", "environment", {"C": "3"}),
        ("replicas: {min: 2, max: 4}", "replicas: !override {max: 8}", "replicas", Replicas(min=1, max=8)),
        ("replicas: 3", "replicas: !override 5", "replicas", Replicas(min=5, max=5)),
        ("", "port: !override 81", "port", 81),
        ("stop_signal: SIGINT", "stop_signal: !override null", "stop_signal", None),
        ("environment: {A: 1}", "environment: {A: !override 'null'}", "environment", {"A": "null"}),
        ("tmpfs: !reset [/a]", "init: true", "tmpfs", ()),
        ("environment: {command: x, volumes: y}", "environment: {command: z}", "environment", {"command": "z", "volumes": "y"}),
    ],
)  # fmt: skip
def test_what_two_files_say_together(layers: Layers, under: str, over: str, key: str, value: object) -> None:
    assert getattr(engine(layers, under, over), key) == value


def test_each_file_is_laid_over_those_before_it(layers: Layers) -> None:
    parts = (
        "environment: {A: 1, B: 1}",
        "environment: {B: 2, C: 2}, init: true",
        "environment: {C: 3}, init: !reset x",
    )
    merged = engine(layers, *parts)
    assert (merged.environment, merged.init) == ({"A": "1", "B": "2", "C": "3"}, False)


def test_a_later_file_brings_back_what_one_reset(layers: Layers) -> None:
    merged = engine(layers, "tmpfs: [/a], depends_on: []", "tmpfs: !reset null", "tmpfs: [/c]")
    assert merged.tmpfs == ("/c",)


def test_engines_come_and_go_whatever_they_are_called(layers: Layers) -> None:
    base = "engines: {command: {image: nginx, port: 80, init: true}, b: {image: nginx, port: 81}}"
    over = "engines: {command: {port: 82}, b: !reset null, c: {image: httpd, port: 81}}"
    told = {name: (e.image, e.port, e.init) for name, e in layers(base, over).fleet.engines.items()}
    assert told == {"command": ("nginx", 82, True), "c": ("httpd", 81, False)}


def test_what_a_new_engine_resets_is_the_defaults(layers: Layers) -> None:
    over = "engines: {b: {image: nginx, port: 81, init: !reset x}, c: {image: nginx, port: 82, init: }}"
    engines = layers(BASE + "defaults: {init: true}", over).fleet.engines
    assert {name: e.init for name, e in engines.items()} == {"a": True, "b": True, "c": False}


def test_a_key_without_a_value_leaves_what_is_below_it(layers: Layers) -> None:
    fleet = layers(BASE + "gateway: {metrics_port: 9}\n", "engines: {a: }\ngateway:\n").fleet
    assert (fleet.engines["a"].port, fleet.gateway.metrics_port) == (80, 9)


def test_a_services_check_is_replaced_and_its_dependencies_are_joined(layers: Layers) -> None:
    base = (
        BASE
        + "services: {s: {image: s, healthcheck: {command: a b, retries: 2}}, t: {image: t}, u: {image: u, depends_on: [s]}}"
    )
    over = "services: {s: {healthcheck: {command: c}}, u: {depends_on: [t, s]}}"
    services = layers(base, over).fleet.services
    assert (services["s"].healthcheck.command, services["s"].healthcheck.retries) == (("c",), 2)
    assert services["u"].depends_on == ("s", "t")


def test_builds_secrets_and_capabilities(layers: Layers, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("hush")
    base = """
        engines: {risk: {port: 80, build: ./engines, security: {cap_add: [NET_RAW]}, secrets: [one]}}
        secrets: {one: {file: key}}
        """
    over = """
        engines:
          risk:
            build: {args: [A=1], inputs: [risk]}
            security: {cap_add: [SYS_TIME, NET_RAW], pids: 5}
            secrets: [two, one]
        secrets: {two: {file: ./key}, one: {file: !reset null, environment: ONE}}
        """
    fleet = layers(base, over, environ={"ONE": "hush"}).fleet
    risk = fleet.engines["risk"]
    assert risk.build
    assert (risk.build.context, risk.build.args, risk.build.inputs) == (f"{tmp_path}/engines", {"A": "1"}, ("risk",))
    assert (risk.security.cap_add, risk.security.pids) == (("NET_RAW", "SYS_TIME"), 5)
    assert risk.secrets == ("one", "two")
    assert (fleet.secrets["one"].environment, fleet.secrets["one"].file) == ("ONE", None)


def test_defaults_are_merged_with_defaults_before_engines_take_them(layers: Layers) -> None:
    base = BASE + "    healthcheck: {path: /own}\n  b: {image: nginx, port: 81, init: true, stop_grace_period: 3s}\n"
    defaults = "defaults: {healthcheck: {path: /x, retries: 2}, tmpfs: [/a], stop_grace_period: 1s}\n"
    over = (
        "defaults: {healthcheck: {path: /y, interval: 7s}, tmpfs: [/b]}\nengines: {b: {stop_grace_period: !reset x}}\n"
    )
    engines = layers(base + defaults, over).fleet.engines
    checks = {name: (e.healthcheck.path, e.healthcheck.retries, e.healthcheck.interval) for name, e in engines.items()}
    assert checks == {"a": ("/own", 2, 7.0), "b": ("/y", 2, 7.0)}
    assert engines["b"].tmpfs == ("/a", "/b")
    assert engines["b"].stop_grace_period == 1.0, "what is reset is the defaults' again"


def test_paths_and_variables_belong_to_the_first_files_folder(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder / "site").mkdir(parents=True)
        (tmp_path / folder / ".env").write_text(f"WHO={folder}\n")
        (tmp_path / folder / "a.env").write_text(f"FILE={folder}\n")
    (tmp_path / "one" / "e.yaml").write_text(BASE)
    (tmp_path / "two" / "o.yaml").write_text(
        "engines: {a: {env_file: a.env, volumes: ['./site:/s'], environment: {WHO: , IS: '${WHO}'}}}"
    )
    fleet = load([tmp_path / "one" / "e.yaml", tmp_path / "two" / "o.yaml"], {}).fleet
    assert fleet.directory == str(tmp_path / "one")
    assert fleet.engines["a"].environment == {"FILE": "one", "WHO": "one", "IS": "one"}
    assert fleet.engines["a"].volumes[0].source == f"{tmp_path}/one/site"


@pytest.mark.parametrize(
    ("base", "over", "told"),
    [
        (BASE, "engines:\n  a:\n    port: no\n", ["production.yaml:3:5: engines.a.port: 'no' is not a whole number"]),
        (
            BASE + "    inti: true\n",
            "engines: {a: {replcas: 2}}",
            [
                "engines.yaml:5:5: engines.a.inti: unknown key; did you mean 'init'?",
                "production.yaml:1:15: engines.a.replcas: unknown key; did you mean 'replicas'?",
            ],
        ),
        (BASE, "engines: {b: {image: i, port: 80}}", ["production.yaml:1:25: engines.b.port: port 80 is taken by engines.a.port on line 4 of engines.yaml"]),
        (BASE, "services: {a: {image: i}}", ["production.yaml:1:12: services.a: the engine on line 2 of engines.yaml has this name too"]),
        (BASE + "    replicas: 3\n", "engines: {a: {replicas: {max: 2}}}", ["production.yaml:1:15: engines.a.replicas: min 3 is more than max 2"]),
        (BASE + "    tmpfs: [/a]\n", "engines: {a: {volumes: ['x:/a']}}", ["engines.yaml:5:13: engines.a.tmpfs[0]: something else is mounted on '/a' already"]),
        (BASE + "    tmpfs: [/a, b]\n", "engines: {a: {tmpfs: [/c, d]}}", [
            "engines.yaml:5:17: engines.a.tmpfs[1]: 'b' is not an absolute path",
            "production.yaml:1:27: engines.a.tmpfs[1]: 'd' is not an absolute path",
        ]),
        (BASE, "engines: {a: {port: !reset null}}", ["production.yaml:1:11: engines.a.port: is required"]),
        (BASE, "engines: {a: {tmpfs: [!reset /a]}}", ["production.yaml:1:23: engines.a.tmpfs[0]: !reset must stand behind a key, not before an item of a list"]),
        (BASE, "engines: {a: {tmpfs: [/a, !override /b]}}", ["production.yaml:1:27: engines.a.tmpfs[1]: !override must stand behind a key, not before an item of a list"]),
        (BASE, "engines: {a: {tmpfs: !merge [/a]}}", ["production.yaml:1:15: engines.a.tmpfs: the tag '!merge' is not allowed; write text, numbers, lists and mappings"]),
        (BASE, "engines: {a: {init: '${NO:?say it}'}}", ["production.yaml:1:15: engines.a.init: NO must be set: say it"]),
        (BASE, "engines: {a: {port: 1, port: 2}}", ["production.yaml:1:24: engines.a.port: this key stands here twice; it is already on line 1"]),
        (BASE, "a: [", ["production.yaml:1:5: "]),
        (BASE, "", ["production.yaml:1:1: the file is empty; "]),
        (BASE, "[]", ["production.yaml:1:1: the file must be a mapping"]),
        ("a: [", "b: [", ["engines.yaml:1:5: ", "production.yaml:1:5: "]),
        (BASE, "engines: !override {}", ["engines.yaml:1:1: there is no engine; declare at least one under 'engines:'"]),
        (BASE, "engines: !reset null", ["engines.yaml:1:1: there is no engine; declare at least one under 'engines:'"]),
        (BASE + "  b: {image: i, port: 1, depends_on: [a]}", "engines: {a: !reset null}", ["engines.yaml:5:39: engines.b.depends_on[0]: there is no engine or service 'a'"]),
        (BASE, "engines: {a: {build: engines}}", ["production.yaml:1:11: engines.a: has both build and image; keep one: 'image: !reset null' takes away line 3 of engines.yaml"]),
        ("engines: {a: {port: 1, build: engines}}", "engines: {a: {image: i}}", ["production.yaml:1:11: engines.a: has both build and image; keep one: 'build: !reset null' takes away line 1 of engines.yaml"]),
    ],
)  # fmt: skip
def test_a_fault_names_the_file_that_it_stands_in(layers: Layers, base: str, over: str, told: list[str]) -> None:
    found = faults(layers, base, over)
    assert len(found) == len(told)
    assert [line[: len(start)] for line, start in zip(found, told, strict=True)] == told


def test_a_warning_names_its_file_too(layers: Layers) -> None:
    assert [w[:33] for w in layers(BASE, "gateway: {bind: 0.0.0.0}").warnings] == ["production.yaml:1:11: gateway.bin"]


def test_a_missing_overlay_is_named(layers: Layers) -> None:
    layers(BASE)
    with pytest.raises(ConfigError, match=r"^nowhere\.yaml:1:1: cannot be read: no such file or directory$"):
        load([Path("engines.yaml"), Path("nowhere.yaml")], {})


def test_a_file_behind_links_that_go_in_circles_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(ConfigError, match="cannot be read: too many levels of symbolic links"):
        load([tmp_path / "loop" / "engines.yaml"], {})


def lists(model: type[BaseModel], seen: set[type[BaseModel]]) -> Iterator[str]:
    """The keys of this model, and of those in it, that hold a list."""
    seen.add(model)
    for key, field in model.model_fields.items():
        parts = [field.annotation, *get_args(field.annotation)]
        if any(get_origin(part) is tuple for part in parts):
            yield key
        nested = {arg for part in parts for arg in (part, *get_args(part)) if isinstance(arg, type)}
        for inner in nested:
            if issubclass(inner, BaseModel) and inner not in seen:
                yield from lists(inner, seen)


def test_every_list_of_the_file_has_its_rule() -> None:
    assert {*lists(Fleet, set()), "env_file"} == set(LISTS)


SCALARS = st.one_of(st.none(), st.integers(0, 3), st.sampled_from(["x", "y"]))
WORDS = st.one_of(st.none(), st.lists(st.sampled_from("abcd"), unique=True, max_size=3))
MOUNTS = st.dictionaries(st.sampled_from(["/a", "/b", "/c"]), st.sampled_from("xyz"), max_size=3).map(
    lambda mounts: [{"source": source, "target": target} for target, source in mounts.items()]
)
PARTS = {
    "port": SCALARS,
    "command": WORDS,
    "tmpfs": WORDS,
    "volumes": st.one_of(st.none(), MOUNTS),
    "environment": st.one_of(st.none(), st.dictionaries(st.sampled_from("ABC"), SCALARS, max_size=3)),
    "healthcheck": st.one_of(st.none(), st.fixed_dictionaries({}, optional={"path": SCALARS, "command": WORDS})),
}
PART = st.fixed_dictionaries({}, optional=PARTS)
DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "name": SCALARS,
        "defaults": PART,
        "engines": st.dictionaries(st.sampled_from(["a", "b", "command"]), PART, max_size=3),
    },
)


def tree(data: Any, file: str = "x") -> Node:
    return node_of(data, Place(file), ())


def together(*documents: Any) -> Any:
    root = tree(documents[0])
    for document in documents[1:]:
        root = overlaid(root, tree(document))
    return plain(root)


@given(DOCUMENTS)
def test_an_empty_overlay_and_a_file_over_itself_change_nothing(document: Any) -> None:
    assert together(document, {}) == together({}, document) == together(document, document) == document


@given(DOCUMENTS, DOCUMENTS, DOCUMENTS)
def test_merging_is_associative(one: Any, two: Any, three: Any) -> None:
    assert together(together(one, two), three) == together(one, together(two, three))


@given(DOCUMENTS, DOCUMENTS)
def test_the_later_file_wins_and_nothing_is_lost(one: Any, two: Any) -> None:
    merged = together(one, two)
    assert list(merged) == list({**one, **two})
    for name in {**one.get("engines", {}), **two.get("engines", {})}:
        under, over = (document.get("engines", {}).get(name, {}) for document in (one, two))
        result = merged["engines"][name]
        assert set(result) == {*under, *over}
        assert result.get("port") == (over if "port" in over else under).get("port")
        assert set(result.get("tmpfs") or ()) == {*(under.get("tmpfs") or ()), *(over.get("tmpfs") or ())}


@given(st.lists(st.sampled_from("ab"), max_size=4), st.lists(st.sampled_from("ab"), max_size=4))
def test_what_one_file_says_twice_stays_twice(one: list[str], two: list[str]) -> None:
    merged = together({"tmpfs": one}, {"tmpfs": two})["tmpfs"]
    assert {word: merged.count(word) for word in "ab"} == {w: max(one.count(w), two.count(w)) for w in "ab"}


@settings(max_examples=25, deadline=None, suppress_health_check=[Check.function_scoped_fixture, Check.too_slow])
@given(data=st.data())
def test_the_same_file_twice_is_harmless_for_any_fleet(tmp_path: Path, data: st.DataObject) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    fleet = data.draw(fleets(str(tmp_path)))
    file, nothing = tmp_path / "engines.yaml", tmp_path / "nothing.yaml"
    file.write_text(render(fleet), encoding="utf-8")
    nothing.write_text("{}")
    once = load([file], {})
    assert load([file, file], {}) == once
    assert load([file, nothing], {}).fleet == once.fleet
    assert annotated(load([file, nothing], {})) == annotated(load([file, file], {})) == annotated(once)
    assert yaml.safe_load(annotated(once)) == yaml.safe_load(render(fleet))
