"""HAProxy's configuration as text: rendered from what is wanted and what is live, read back, compared."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from nautilus_cli.errors import ConfigError
from nautilus_cli.fleet import HealthCheck, digest
from nautilus_cli.gateways.base import Listen, Route
from nautilus_cli.units import show_duration

JOINING = ":join"  # ends the name of the backend whose members are checked, and get no requests
METRICS = ":metrics"
SOCKET = "/run/nautilus/admin.sock"
CONNECTIONS = 4000  # to one port, of the 8,168 that the file descriptors allow: a crowd leaves room for the others
IDEMPOTENT = "GET HEAD OPTIONS PUT DELETE TRACE"
TEMPLATE = Path(__file__).with_name("haproxy.cfg")

Live = Mapping[str, Sequence[tuple[str, int]]]  # address and port of each live replica, by engine


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """Everything that the configuration says, but the live routes."""

    listens: tuple[Listen, ...]
    hosts: tuple[str, ...]  # the addresses of every engine's port; "*" is all of them
    metrics_port: int | None = None
    metrics_hosts: tuple[str, ...] = ()
    strangers: str = ""  # a network whose members may not read the metrics, but for the bridge itself
    bridge: str = ""
    threads: int = 1
    socket: str = SOCKET  # of the administration; a relative one lies where HAProxy was started

    @property
    def ports(self) -> tuple[int, ...]:
        """Every port that is listened on."""
        return tuple(sorted([listen.port for listen in self.listens] + [p for p in (self.metrics_port,) if p]))

    @property
    def digest(self) -> str:
        """What tells two configurations apart, whatever is live."""
        return digest(render(self, {}))


def render(setup: Setup, live: Live) -> str:
    """The whole configuration file; live replicas stand in it, so that the file alone brings their routes back."""
    stop = max([30.0, *(listen.drain for listen in setup.listens)])
    head = TEMPLATE.read_text().replace("@THREADS@", str(setup.threads)).replace("@HARD_STOP@", milliseconds(stop))
    head = head.replace("@SOCKET@", setup.socket).replace("@CONNECTIONS@", str(CONNECTIONS))
    sections = [section(listen, setup.hosts, live.get(listen.engine, ())) for listen in setup.listens]
    return "\n".join([head, *sections, *metrics(setup)])


def listening(text: str) -> set[int]:
    """The ports that a configuration file opens."""
    return {int(port) for port in re.findall(r"^\s*bind \S*:(\d+)\b", text, re.MULTILINE)}


def section(listen: Listen, hosts: Sequence[str], live: Sequence[tuple[str, int]]) -> str:
    """One engine: its port with room for its replicas, and a waiting room where new ones are checked first.

    HAProxy asks an idle slot's checker only every `inter`, so a slot that is checked every 30 s learns of a new replica
    up to 30 s late: the waiting room is checked every 50 ms.
    """
    check, room = listen.check, max(listen.slots, len(live))
    servers = [f"server s{n} {authority(*replica)}" for n, replica in enumerate(live, 1)]
    free = [f"server s{n} 127.0.0.1:1 disabled" for n in range(len(live) + 1, room + 1)]
    pace = f"inter {milliseconds(check.interval)} fastinter 20ms downinter 50ms rise 1 fall {max(check.retries, 1)}"
    waiting = [f"server j{n} 127.0.0.1:1 disabled" for n in range(1, room + 1)]
    asked = ["option tcp-check", f"timeout check {milliseconds(check.timeout)}"] if listen.relaxed else probe(check)
    serving = [*bind(hosts, listen.port), *answers(listen), *asked, f"default-server check {pace} {burden(listen)}"]
    return paragraphs(
        [f"listen {listen.engine}", *serving, *servers, *free],
        [f"backend {listen.engine}{JOINING}", *probe(check), "default-server check inter 50ms rise 1 fall 2", *waiting],
    )


def burden(listen: Listen) -> str:
    """What one replica is given, and what a failed connection means.

    A failed connection only hastens the check, which alone tells a dead replica from one that is too busy to accept.
    More than it should work on at once waits here: its own accept queue may hold five, which drops the others without
    a word, and the answer to a check would stand behind all that it has accepted. Each replica has a queue of its own:
    with a common one, whoever waits for the others is sent to a dead one again and again until its retries are used up.
    """
    queue = f"maxconn {listen.concurrency} maxqueue {CONNECTIONS}"
    return f"observe layer4 error-limit 1 on-error fastinter {queue}"


def answers(listen: Listen) -> list[str]:
    """What a request meets where no replica can take it, and which requests may be sent twice."""
    words = f"no replica of {listen.engine} can answer\\n"
    return [
        f'http-error status 503 content-type text/plain string "{words}" hdr Retry-After 1',
        f"http-request disable-l7-retry unless {{ method {IDEMPOTENT} }}",
    ]


def probe(check: HealthCheck) -> list[str]:
    """How one replica is asked whether it can serve."""
    return [
        "option httpchk",
        f"http-check send meth GET uri {quoted(check.path)} ver HTTP/1.1 hdr Host localhost",
        "http-check expect status 200-399",
        f"timeout check {milliseconds(check.timeout)}",
    ]


def metrics(setup: Setup) -> list[str]:
    """The Prometheus exporter, if a port is declared for it."""
    if setup.metrics_port is None:
        return []
    guard = [f"http-request deny if {{ src {setup.strangers} }} !{{ src {setup.bridge} }}"] if setup.strangers else []
    rules = ["http-request use-service prometheus-exporter if { path /metrics }", "http-request return status 404"]
    return [paragraphs([f"frontend {METRICS}", *bind(setup.metrics_hosts, setup.metrics_port), *guard, *rules])]


def bind(hosts: Sequence[str], port: int) -> list[str]:
    """The addresses of one port; `::1` only where the machine that it starts on has it.

    Without `v6only` a new worker does not recognise the IPv6 sockets that it inherits: each reload would close every
    port for some 100 ms.
    """
    lines = []
    for host in hosts:
        line = f"bind {authority(host, port)}" + (" v6only" if ":" in host else "")
        lines += [".if defined(NAUTILUS_IPV6)", line, ".endif"] if host == "::1" else [line]
    return lines


def paragraphs(*blocks: list[str]) -> str:
    """Sections of the file: the first line of each names it, the others are indented."""
    return "\n".join("\n    ".join(block) + "\n" for block in blocks)


def authority(host: str, port: int) -> str:
    """An address and a port in one word."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def milliseconds(seconds: float) -> str:
    """A duration as HAProxy reads it; nothing is less than one millisecond or more than it can hold."""
    return f"{min(max(round(seconds * 1000), 1), 2**31 - 1)}ms"


def quoted(word: str) -> str:
    """One word of the configuration, whatever is in it; ConfigError where no HTTP request line could hold it."""
    if re.search(r"[\x00-\x20\x7f]", word) or not word.isascii():
        raise ConfigError(f"{word!r} cannot be asked for over HTTP", "write the path percent-encoded: /a%20b")
    return "'" + word.replace("'", r"'\''") + "'"


def listen_hosts(bind_address: str, bridge: str) -> tuple[str, ...]:
    """The addresses that a gateway on the host's network listens on: the declared one and the fleet's bridge."""
    if bind_address == "::":
        return ("0.0.0.0", "::")
    loopback = ("::1",) if bind_address in ("127.0.0.1", "0.0.0.0") else ()
    if bind_address == "0.0.0.0":
        return (bind_address, *loopback)
    return tuple(dict.fromkeys((bind_address, *loopback, bridge)))


def overlap(left: str, right: str) -> bool:
    """Whether one port on both addresses is a clash."""
    everywhere = ("", "*", "::", "0.0.0.0")
    if left in everywhere or right in everywhere:
        return True
    return ip_address(left) == ip_address(right)


def live_routes(text: str) -> dict[str, list[tuple[str, int]]]:
    """The replicas that a configuration file brings back, by engine."""
    found: dict[str, list[tuple[str, int]]] = {}
    engine = ""
    for line in text.splitlines():
        words = line.split()
        if words and not line[0].isspace():
            engine = words[1] if words[0] == "listen" else ""
        elif engine and words[:1] == ["server"] and "disabled" not in words:
            host, _, port = words[2].rpartition(":")
            found.setdefault(engine, []).append((host.strip("[]"), int(port)))
    return found


def serving(routes: Sequence[Route]) -> Live:
    """The routes that a gateway comes back with: neither those that leave nor those that have not proven themselves."""
    live: dict[str, list[tuple[str, int]]] = {}
    for route in routes:
        if route.routed:
            live.setdefault(route.engine, []).append((route.address, route.port))
    return live


def dump(setup: Setup) -> str:
    """A setup as JSON, with the digest of the configuration that it stands for."""
    values = {name: getattr(setup, name) for name in Setup.__slots__}
    values["listens"] = [
        {**{name: getattr(o, name) for name in Listen.__slots__}, "check": o.check.model_dump()} for o in setup.listens
    ]
    return json.dumps({**values, "digest": setup.digest}, indent=1)


def load(text: str) -> tuple[Setup, str]:
    """What `dump` wrote: the setup, and the digest of then; ValueError, KeyError or TypeError for anything else."""
    values = json.loads(text)
    then = values.pop("digest")
    listens = [Listen(**{**o, "check": HealthCheck.model_construct(**o["check"])}) for o in values.pop("listens")]
    lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    return Setup(listens=tuple(listens), **{**values, **lists}), then


def changes(old: Setup, new: Setup) -> list[str]:
    """What is different, in words."""
    before, after = ({o.engine: o for o in setup.listens} for setup in (old, new))
    words = [f"ports: {ports}"] if (ports := moved(set(old.ports), set(new.ports))) else []
    words += [f"addresses: {show(old.hosts)} -> {show(new.hosts)}"] if old.hosts != new.hosts else []
    for name in sorted(before.keys() & after.keys()):
        words += engine_changes(before[name], after[name])
    if not words and before.keys() != after.keys():
        words += ["engines: " + moved(set(before), set(after))]
    return words + ([f"threads: {old.threads} -> {new.threads}"] if old.threads != new.threads else [])


def engine_changes(old: Listen, new: Listen) -> list[str]:
    """What is different for one engine, but its port."""
    words = [f"room for {new.engine}: {old.slots} -> {new.slots}"] if old.slots != new.slots else []
    words += [f"health check of {new.engine}"] if probe_text(old) != probe_text(new) else []
    if old.concurrency != new.concurrency:
        words.append(f"requests at once to a replica of {new.engine}: {old.concurrency} -> {new.concurrency}")
    if old.drain != new.drain:
        words.append(f"drain of {new.engine}: {show_duration(old.drain)} -> {show_duration(new.drain)}")
    return words


def probe_text(listen: Listen) -> tuple[object, ...]:
    """All of the health check that the gateway acts on: the start period is not."""
    return (listen.check.path, listen.check.interval, listen.check.timeout, listen.check.retries, listen.relaxed)


def moved(old: set[int] | set[str], new: set[int] | set[str]) -> str:
    """What came and what went: `+8300 -8200`."""
    return " ".join([f"+{value}" for value in sorted(new - old)] + [f"-{value}" for value in sorted(old - new)])


def show(hosts: Sequence[str]) -> str:
    """Addresses in one phrase."""
    return ", ".join(hosts)
