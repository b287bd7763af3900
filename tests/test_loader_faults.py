"""What is wrong with a file, word by word: every fault at once, each with its place."""
# ruff: noqa: E501 - a message is compared as the one line that it is

from __future__ import annotations

from pathlib import Path

import pytest

from nautilus_cli.errors import ConfigError
from nautilus_cli.loader import load
from nautilus_cli.loader.keys import NOT_YET

HEAD = "engines:\n  a:\n    image: nginx\n    port: 80\n"


def faults(tmp_path: Path, text: str | bytes, **environ: str) -> list[str]:
    """The message's lines, without the folder."""
    file = tmp_path / "engines.yaml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(ConfigError) as caught:
        load([file], environ)
    assert "nothing was touched" in caught.value.hint
    return [line.replace(f"{tmp_path}/", "") for line in caught.value.message.splitlines()]


# Under the engine `a`, from line 5 on.
OF_AN_ENGINE = [
    ("resources:\n  memory: 1 GBB", "6:7: engines.a.resources.memory: '1 GBB' is not a size; write 1GiB or 512MiB"),
    ("resources: {memory: 1MiB}", "5:17: engines.a.resources.memory: '1MiB' of memory cannot be granted; write a size from 6MiB to 1024TiB"),
    ("resources: {cpus: lots}", "5:17: engines.a.resources.cpus: 'lots' is not a number of CPUs; write 0.5 or 2"),
    ("resources: 3", "5:5: engines.a.resources: must be a mapping (key: value), not 3"),
    ("replicas: {min: 5, max: 2}", "5:5: engines.a.replicas: min 5 is more than max 2"),
    ("replicas: 0", "5:5: engines.a.replicas: must be at least 1, not 0"),
    ("replicas: 201", "5:5: engines.a.replicas: must be at most 200, not 201"),
    ("replicas: many", "5:5: engines.a.replicas: 'many' is not a whole number"),
    ("replicas: true", "5:5: engines.a.replicas: must be a mapping (key: value), not true"),
    ("container_port: 8.5", "5:5: engines.a.container_port: 8.5 is not a whole number"),
    ("container_port: 70000", "5:5: engines.a.container_port: must be at most 65535, not 70000"),
    ("init: maybe", "5:5: engines.a.init: must be true or false, not 'maybe'"),
    ("restart: never", "5:5: engines.a.restart: 'never' is not allowed; write no, always, on-failure or unless-stopped"),
    ("depends_on: redis", "5:5: engines.a.depends_on: must be a list, not 'redis'"),
    ("depends_on: [aa]", "5:18: engines.a.depends_on[0]: there is no engine or service 'aa'; did you mean 'a'?"),
    ("depends_on: [a]", "5:18: engines.a.depends_on[0]: 'a' cannot wait for itself"),
    ("depends_on: [{b: c}]", "5:18: engines.a.depends_on[0]: must be text, not a mapping"),
    ("healthchek: {}", "5:5: engines.a.healthchek: unknown key; did you mean 'healthcheck'?"),
    ("healthcheck: {intervall: 3s}", "5:19: engines.a.healthcheck.intervall: unknown key; did you mean 'interval'?"),
    ("healthcheck: {interval: 30}", "5:19: engines.a.healthcheck.interval: 30 is not a duration; write 30s, 500ms or 5m"),
    ("healthcheck: {timeout: 0s}", "5:19: engines.a.healthcheck.timeout: '0s' is no time at all; write 1s or more than nothing"),
    ("healthcheck: {retries: 0}", "5:19: engines.a.healthcheck.retries: must be at least 1, not 0"),
    ("healthcheck: {path: health}", "5:19: engines.a.healthcheck.path: 'health' is not a path of a URL; write /health, without spaces and quotes"),
    ("healthcheck: {command: x}", "5:19: engines.a.healthcheck.command: unknown key"),
    ("update: {parallelism: 0}", "5:14: engines.a.update.parallelism: must be at least 1, not 0"),
    ("slo: {p99: 5}", "5:11: engines.a.slo.p99: 5 is not a duration; write 30s, 500ms or 5m"),
    ("slo: {p95: 5ms}", "5:11: engines.a.slo.p95: unknown key; did you mean 'p99'?"),
    ("slo: {errors: 1}", "5:11: engines.a.slo.errors: 1 is not a share; write 0.1% or 70%"),
    ("slo: {p50: 2s, p99: 1s}", "5:5: engines.a.slo: p50 2 s is more than p99 1 s"),
    ("bench: {path: x}", "5:13: engines.a.bench.path: 'x' is not a path of a URL; write /health, without spaces and quotes"),
    ("bench: {method: TRACE}", "5:13: engines.a.bench.method: 'TRACE' is not allowed; write GET, HEAD, POST, PUT, PATCH or DELETE"),
    ("bench: {rate: 0}", "5:13: engines.a.bench.rate: 0 is not a rate; write a number of requests per second, up to 1000000"),
    ("bench: {headers: {a b: c}}", "5:13: engines.a.bench.headers: 'a b' is not an HTTP header of one line; write X-Name: value"),
    ("autoscale: {cpu: 70%}", "5:5: engines.a.autoscale: is not supported yet"),
    (
        "update: {failure_action: stop}",
        "5:14: engines.a.update.failure_action: 'stop' is not allowed; write rollback, pause or continue",
    ),
    (
        "update: {max_failure_ratio: 1.5}",
        "5:14: engines.a.update.max_failure_ratio: 1.5 is not a ratio; write 0.25 or 25%",
    ),
    ("ports: [80]", "5:5: engines.a.ports: unknown key; here it is port"),
    ("mem_limit: 1g", "5:5: engines.a.mem_limit: unknown key; here it is resources.memory"),
    ("name: b", "5:5: engines.a.name: unknown key"),
    ("count: 3", "5:5: engines.a.count: unknown key"),
    ("volumes: [data]", "5:15: engines.a.volumes[0]: 'data' is not a volume; write name:/path, ./host/path:/path or either with :ro"),
    ("volumes: ['a b:/x']", "5:15: engines.a.volumes[0]: 'a b' is no name of a volume; a path begins with ./ or /"),
    ("volumes: ['d:x']", "5:15: engines.a.volumes[0]: 'x' is not an absolute path inside the container; write /data"),
    ("volumes: ['d:/x', 'e:/x']", "5:23: engines.a.volumes[1]: something else is mounted on '/x' already"),
    ("volumes: [{type: bind}]", "5:15: engines.a.volumes[0]: write name:/path, ./host/path:/path or either with :ro"),
    ("volumes: d:/x", "5:5: engines.a.volumes: must be a list, not 'd:/x'"),
    ("environment: [=x]", "5:19: engines.a.environment.: is no name of a variable; use letters, digits and '_'"),
    ("environment: [A=1, A=2]", "5:24: engines.a.environment[1]: 'A' stands in this list twice"),
    ("environment: {PORT: 1}", "5:19: engines.a.environment.PORT: nautilus sets this itself; take it away"),
    ("environment: {A B: 1}", "5:19: engines.a.environment.A B: is no name of a variable; use letters, digits and '_'"),
    ("environment: {A: [1]}", "5:19: engines.a.environment.A: must be text, not a list"),
    ("environment: 3", "5:5: engines.a.environment: must be a mapping (key: value), not 3"),
    ("env_file: nope.env", "5:5: engines.a.env_file: nope.env:1:1: cannot be read: no such file or directory"),
    ("env_file: {a: b}", "5:5: engines.a.env_file: must be a file or a list of files"),
    ("labels: {io.nautilus.fleet: x}", "5:14: engines.a.labels.io.nautilus.fleet: labels under io.nautilus are nautilus's own; choose another"),
    ("secrets: [key]", "5:15: engines.a.secrets[0]: there is no secret 'key'; declare it under the top-level 'secrets:'"),
    ("command: \"a 'b\"", "5:5: engines.a.command: a quote in this command is opened and never closed"),
    ("stop_signal: TERM", "5:5: engines.a.stop_signal: 'TERM' is not a signal; write SIGTERM, SIGINT or SIGQUIT"),
    ("ulimits: {nofiles: 3}", "5:15: engines.a.ulimits.nofiles: is no limit of the kernel; write one of as, core, cpu, data, fsize, locks, memlock, msgqueue, nice, nofile, nproc, rss, rtprio, rttime, sigpending, stack"),
    ("ulimits: {nofile: {soft: 3}}", "5:15: engines.a.ulimits.nofile.hard: is required"),
    ("security: {cap_drop: [EVERYTHING]}", "5:27: engines.a.security.cap_drop[0]: 'EVERYTHING' is not a capability; write ALL or, for example, NET_BIND_SERVICE"),
    ("image: httpd", "5:5: engines.a.image: this key stands here twice; it is already on line 3"),
    ("build: nope", "2:3: engines.a: has both build and image; keep one\nengines.yaml:5:5: engines.a.build: there is no folder 'nope'"),
    ("labels: {a: '$5'}", "5:14: engines.a.labels.a: a single '$' begins a variable; write $$ for the sign itself"),
    ("labels: {a: '${A:?set it}'}", "5:14: engines.a.labels.a: A must be set: set it"),
    ("labels: {a: '${A'}", "5:14: engines.a.labels.a: '${A' is not closed properly; write ${A} or ${A:-default}"),
    ("init: !!python/object:os.system {}", "5:5: engines.a.init: the tag '!!python/object:os.system' is not allowed; write text, numbers, lists and mappings"),
    ('labels: {a: "\\0"}', "5:14: engines.a.labels.a: holds a character that is not possible here (NUL or half a surrogate pair)"),
    ("<<: [3]", "5:5: engines.a: '<<' merges mappings only"),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "expected"), OF_AN_ENGINE, ids=[lines for lines, _ in OF_AN_ENGINE])
def test_a_fault_of_an_engine(tmp_path: Path, lines: str, expected: str) -> None:
    text = HEAD + "".join(f"    {line}\n" for line in lines.splitlines())
    assert "\n".join(faults(tmp_path, text)) == f"engines.yaml:{expected}"


# Whole files.
OF_A_FILE = [
    ("", "1:1: the file is empty; declare at least one engine under 'engines:'"),
    ("# nothing\n", "1:1: the file is empty; declare at least one engine under 'engines:'"),
    ("- a\n", "1:1: the file must be a mapping that begins with 'name:' or 'engines:'"),
    ("text", "1:1: the file must be a mapping that begins with 'name:' or 'engines:'"),
    ("name: a", "1:1: there is no engine; declare at least one under 'engines:'"),
    ("engines: {}", "1:1: there is no engine; declare at least one under 'engines:'"),
    ("engines: [a]", "1:1: engines: must be a mapping (key: value), not a list"),
    ("engines: {a: }", "1:11: engines.a: must be a mapping (key: value), not nothing"),
    ("engines:\n\ta: 1", "2:1: a tab cannot indent; use spaces"),
    ("engines: a: b", "1:11: a ':' is not possible here; check the indentation, or quote the text"),
    ("engines:\n  a: 1\n b: 2", "3:2: this line's indentation fits nothing above it"),
    ("engines: 'a", "1:12: a quote is opened and never closed"),
    ("engines: *a", "1:10: there is no anchor of this name above"),
    ("a: 1\n---\nb: 1", "2:1: the file holds more than one document; keep one"),
    ("engines: \a", "1:10: the character U+0007 is not allowed"),
    (b"engines:\n  \xff", "2:1: the file is not UTF-8 text"),
    ("#" * 262145, "1:1: the file is larger than 256 KiB"),
    ("[" * 50, "1:41: values are nested more than 40 levels deep"),
    ("[a, " + "b, " * 20000 + "c]", "1:59999: the file holds more than 20,000 values"),
    ("a: &a\n  b: *a", "2:3: aliases expand to more than 20,000 values, or without end"),
    ("a: &a\n  <<: *a", "2:3: aliases expand to more than 20,000 values, or without end"),
    ('a: "\\UFFFFFFFF"', None),
    ("? [a]\n: b\n" + HEAD, "1:3: a key must be plain text"),
    ("a: [1, 2", "1:9: a ',' or the closing bracket is missing before this"),
    ("a: {b: 1 c: 2}", "1:11: a ',' or the closing bracket is missing before this"),
    ("a: ]", "1:4: a value cannot begin here; put quotes around text that begins with a special character"),
    ("a: @b", "1:4: text cannot begin with this character; put quotes around it"),
    (HEAD + "runtime: swarm", "5:1: runtime: 'swarm' is not supported yet"),
    (HEAD + "engine: {}", "5:1: engine: unknown key; did you mean 'engines'?"),
    (HEAD + "name: Big", "5:1: name: 'Big' is not a name; use a to z, 0 to 9 and '-' between them, at most 40 characters"),
    (HEAD + "gateway: {bind: localhost}", "5:11: gateway.bind: 'localhost' is not an IP address; write 127.0.0.1 or 0.0.0.0"),
    (HEAD + "gateway: {metrics_port: 80}", "5:11: gateway.metrics_port: port 80 is taken by engines.a.port on line 4"),
    (HEAD + "  b: {image: i, port: '080'}", "5:17: engines.b.port: port 80 is taken by engines.a.port on line 4"),
    (HEAD + "  b: {image: i}", "5:3: engines.b.port: is required"),
    (HEAD + "  b: {port: 81}", "5:3: engines.b: needs build or image"),
    (HEAD + "name: a-", "5:1: name: 'a-' is not a name; use a to z, 0 to 9 and '-' between them, at most 40 characters"),
    (HEAD + "  B: {image: i, port: 81}", "5:3: engines.B: 'B' is not a name; use a to z, 0 to 9 and '-' between them, at most 40 characters"),
    (HEAD + "  gateway: {image: i, port: 81}", "5:3: engines.gateway: the name 'gateway' is nautilus's own; choose another"),
    (HEAD + "services: {a: {image: i}}", "5:12: services.a: the engine on line 2 has this name too"),
    (HEAD + "services: {s: {build: .}}", "5:12: services.s.image: is required\nengines.yaml:5:16: services.s.build: unknown key"),
    (HEAD + "services: {s: {image: i, kind: valkey}}", "5:26: services.s.kind: 'valkey' is not allowed; write redis or container"),
    (HEAD + "defaults: {port: 1}", "5:12: defaults.port: belongs to one engine, not to the defaults of all"),
    (HEAD + "defaults: 1", "5:1: defaults: must be a mapping (key: value), not 1"),
    (HEAD + "defaults: {security: {pids: 0}}", "5:23: defaults.security.pids: must be at least 1, not 0"),
    (HEAD + "defaults: {build: {args: {A: [1]}}}", "5:27: defaults.build.args.A: must be text, not a list"),
    (HEAD + "defaults: {stop_grace_period: 1}\n", "5:12: defaults.stop_grace_period: 1 is not a duration; write 30s, 500ms or 5m"),
    (HEAD + "secrets: {k: {}}", "5:11: secrets.k: needs exactly one of file and environment"),
    (HEAD + "secrets: {k: {file: nope}}", "5:15: secrets.k.file: there is no file 'nope'"),
    (HEAD + "secrets: {k: {environment: NOPE}}", "5:15: secrets.k.environment: the variable 'NOPE' is not set"),
    ("engines: {a: {build: {context: ., target: 1.10}, port: 80}}", "1:15: engines.a.build.dockerfile: there is no file 'Dockerfile' in '.'\nengines.yaml:1:35: engines.a.build.target: must be text, not 1.1; put quotes around it: '1.1'"),
    ("engines: {a: {build: {target: x}, port: 80}}", "1:15: engines.a.build.context: is required"),
    ("engines: {a: {image: i, port: 80, depends_on: [b]}, b: {image: i, port: 81, depends_on: [c]}, c: {image: i, port: 82, depends_on: [b]}}", "1:77: engines.b.depends_on: these wait for each other: b -> c -> b"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), OF_A_FILE, ids=[str(text[:60]) for text, _ in OF_A_FILE])
def test_a_fault_of_a_file(tmp_path: Path, text: str | bytes, expected: str | None) -> None:
    found = faults(tmp_path, text)
    if expected is None:
        assert found[0].startswith("engines.yaml:1:")
        assert "cannot be read" in found[0]
    else:
        assert "\n".join(found) == f"engines.yaml:{expected}"


def test_every_fault_at_once_by_line(tmp_path: Path) -> None:
    text = """\
name: Bad_Name
runtime: swarm
defaults:
  healthcheck: {intervall: 3s, timeout: 0s}
engines:
  risk:
    port: 70000
    imagee: x
    resources:
      memory: 1 GBB
    autoscale: {cpu: 70%}
    depends_on: [rediss, web]
  web: {image: nginx, port: "${P:?set it}", depends_on: [risk]}
services:
  redis: {image: "${NOPE}", env_file: nothere.env}
gateway: {metrics_port: 70000}
"""
    (tmp_path / ".env").write_text("A=1\nnot a line\n")
    assert (
        "\n".join(faults(tmp_path, text))
        == """\
.env:2:1: this line is not KEY=value
engines.yaml:1:1: name: 'Bad_Name' is not a name; use a to z, 0 to 9 and '-' between them, at most 40 characters
engines.yaml:2:1: runtime: 'swarm' is not supported yet
engines.yaml:4:17: defaults.healthcheck.intervall: unknown key; did you mean 'interval'?
engines.yaml:4:32: defaults.healthcheck.timeout: '0s' is no time at all; write 1s or more than nothing
engines.yaml:6:3: engines.risk: needs build or image
engines.yaml:7:5: engines.risk.port: must be at most 65535, not 70000
engines.yaml:8:5: engines.risk.imagee: unknown key; did you mean 'image'?
engines.yaml:10:7: engines.risk.resources.memory: '1 GBB' is not a size; write 1GiB or 512MiB
engines.yaml:11:5: engines.risk.autoscale: is not supported yet
engines.yaml:12:5: engines.risk.depends_on: these wait for each other: risk -> web -> risk
engines.yaml:12:18: engines.risk.depends_on[0]: there is no engine or service 'rediss'; did you mean 'redis'?
engines.yaml:13:23: engines.web.port: P must be set: set it
engines.yaml:15:11: services.redis.image: '' is not the name of an image; write nginx:alpine or registry.example/app:1.2
engines.yaml:15:29: services.redis.env_file: nothere.env:1:1: cannot be read: no such file or directory
engines.yaml:16:11: gateway.metrics_port: must be at most 65535, not 70000"""
    )


def test_what_is_merged_is_told_once_and_where_it_stands(tmp_path: Path) -> None:
    text = "x-b: &b {image: i, init: maybe}\nengines:\n  a: {<<: *b, port: 80}\n  b: {<<: *b, port: 81}\n"
    assert faults(tmp_path, text) == ["engines.yaml:1:20: engines.a.init: must be true or false, not 'maybe'"]


@pytest.mark.parametrize("feature", NOT_YET)
def test_what_does_not_exist_yet_is_refused_and_never_ignored(tmp_path: Path, feature: str) -> None:
    key, _, value = feature.partition("=")
    *parents, last = key.split(".")
    written = f"{last}: {value or '{}'}"
    for parent in reversed(parents[1:]):
        written = f"{parent}: {{{written}}}"
    text = HEAD + (f"    {written}\n" if parents else f"{written}\n")
    (line,) = faults(tmp_path, text)
    assert line.endswith("is not supported yet")


def test_three_in_a_circle_are_all_named(tmp_path: Path) -> None:
    needs = {"a": "b", "b": "c", "c": "a", "d": "a"}
    text = "engines:\n" + "".join(
        f"  {name}: {{image: i, port: {80 + at}, depends_on: [{need}]}}\n"
        for at, (name, need) in enumerate(needs.items())
    )
    assert faults(tmp_path, text) == [
        "engines.yaml:2:27: engines.a.depends_on: these wait for each other: a -> b -> c -> a"
    ]


def test_aliases_that_multiply_are_bounded(tmp_path: Path) -> None:
    lines = ["x0: &x0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 10)}]" for n in range(1, 9)]
    (line,) = faults(tmp_path, "\n".join(lines))
    assert line.endswith("aliases expand to more than 20,000 values, or without end")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nope\.yaml:1:1: cannot be read: no such file or directory"):
        load([tmp_path / "nope.yaml"], {})
    with pytest.raises(ConfigError, match="cannot be read: is a directory"):
        load([tmp_path], {})
    with pytest.raises(ConfigError, match="is not a possible name of a file"):
        load([tmp_path / "a\0b"], {})


def test_an_input_outside_the_context(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    text = "engines: {a: {build: {context: ., inputs: [.., nope, Dockerfile, /etc]}, port: 80}}"
    assert faults(tmp_path, text) == [
        "engines.yaml:1:44: engines.a.build.inputs[0]: '..' is outside the build's context",
        "engines.yaml:1:48: engines.a.build.inputs[1]: there is no 'nope' in the build's context",
        "engines.yaml:1:66: engines.a.build.inputs[3]: '/etc' is outside the build's context",
    ]


def test_a_name_from_the_environment_is_checked_too(tmp_path: Path) -> None:
    (line,) = faults(tmp_path, HEAD, NAUTILUS_PROJECT_NAME="Big")
    assert line.startswith("engines.yaml:1:1: name: 'Big' is not a name")


def test_secrets_in_a_file_of_variables_are_never_shown(tmp_path: Path) -> None:
    (tmp_path / "a.env").write_text("PASSWORD='hush hush\n")
    (line,) = faults(tmp_path, HEAD + "    env_file: a.env\n")
    assert "hush" not in line
