"""What must hold between the parts of a file, as against inside one value."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from nautilus_cli.fleet import HealthCheck, Update
from nautilus_cli.loader.faults import Faults, dotted, meant
from nautilus_cli.loader.tree import Node
from nautilus_cli.units import parse_duration, parse_whole

RESERVED = ("gateway", "lock", "state")
OURS = ("PORT", "NAUTILUS_ENGINE", "NAUTILUS_REPLICA")
LABELS = "io.nautilus"
LIMITS = (
    "as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio",
    "rttime", "sigpending", "stack",
)  # fmt: skip

_KEY = r"[A-Za-z_][A-Za-z0-9_.-]*"


def check(root: Node, faults: Faults) -> None:
    """Tells every fault and warning between the parts of the file."""
    engines, services = (dict(n.children) if (n := root.at(key)) else {} for key in ("engines", "services"))
    _names(engines, services, faults)
    _ports(root, engines, faults)
    for engine in engines.values():
        _image(engine, faults)
        _reserved(engine, faults)
        _monitor(engine, faults)
    for workload in (*engines.values(), *services.values()):
        _keys(workload, faults)
        _mounts(workload, faults)
        _ulimits(workload, faults)
        _secrets(workload, root, faults)
    _dependencies({**services, **engines}, faults)
    _bind(root, faults)


def _names(engines: dict[str, Node], services: dict[str, Node], faults: Faults) -> None:
    for name, node in (*engines.items(), *services.items()):
        if name in RESERVED:
            faults.add(node.place, node.path, f"the name {name!r} is nautilus's own; choose another")
    for name in engines.keys() & services.keys():
        place = services[name].place
        where = engines[name].place.seen_from(place)
        faults.add(place, services[name].path, f"the engine on {where} has this name too")


def _ports(root: Node, engines: dict[str, Node], faults: Faults) -> None:
    taken: dict[int, Node] = {}
    nodes = [engine.at("port") for engine in engines.values()]
    for port in (*nodes, root.at("gateway", "metrics_port")):
        number = _number(port)
        if port is None or number is None:
            continue
        if number in taken:
            owner = f"{dotted(taken[number].path)} on {taken[number].place.seen_from(port.place)}"
            faults.add(port.place, port.path, f"port {number} is taken by {owner}")
        taken.setdefault(number, port)


def _number(node: Node | None) -> int | None:
    try:
        number = parse_whole(node.value) if node else 0
    except ValueError:
        return None
    return number if 1 <= number <= 65535 else None


def _image(engine: Node, faults: Faults) -> None:
    if not isinstance(engine.value, dict):
        return
    if engine.has("image") and engine.has("build"):
        faults.add(engine.place, engine.path, f"has both build and image; keep one{_reset(engine)}")
    elif not engine.has("image") and not engine.has("build") and not _told(engine, ("build", "image"), faults):
        faults.add(engine.place, engine.path, "needs build or image")


def _reset(engine: Node) -> str:
    """How a later file takes away the one that an earlier file declares."""
    image, build = engine.children["image"].place, engine.children["build"].place
    if image.file == build.file:
        return ""
    key, where = ("build", build) if engine.place.file == image.file else ("image", image)
    return f": '{key}: !reset null' takes away {where.seen_from(engine.place)}"


def _told(node: Node, keys: tuple[str, ...], faults: Faults) -> bool:
    return any(faults.known(node.place, (*node.path, key)) for key in keys)


def _reserved(engine: Node, faults: Faults) -> None:
    environment = engine.at("environment")
    for key, node in environment.children.items() if environment else ():
        if key in OURS:
            faults.add(node.place, node.path, "nautilus sets this itself; take it away")


def _keys(workload: Node, faults: Faults) -> None:
    environment, labels = workload.at("environment"), workload.at("labels")
    for key, node in environment.children.items() if environment else ():
        if not re.fullmatch(_KEY, key):
            faults.add(node.place, node.path, "is no name of a variable; use letters, digits and '_'")
    for key, node in labels.children.items() if labels else ():
        if key == LABELS or key.startswith(LABELS + "."):
            faults.add(node.place, node.path, f"labels under {LABELS} are nautilus's own; choose another")


def _mounts(workload: Node, faults: Faults) -> None:
    seen: set[object] = set()
    volumes, tmpfs = workload.at("volumes"), workload.at("tmpfs")
    targets = [volume.children["target"] for volume in volumes.items if "target" in volume.children] if volumes else []
    for target in (*targets, *(tmpfs.items if tmpfs else ())):
        if target.text in seen:
            faults.add(target.place, target.path, f"something else is mounted on {target.text!r} already")
        seen.add(target.text)


def _ulimits(workload: Node, faults: Faults) -> None:
    limits = workload.at("ulimits")
    for name, node in limits.children.items() if limits else ():
        if name not in LIMITS:
            faults.add(node.place, node.path, f"is no limit of the kernel; write one of {', '.join(LIMITS)}")


def _secrets(workload: Node, root: Node, faults: Faults) -> None:
    listed, declared = workload.at("secrets"), root.at("secrets")
    known = declared.children if declared else {}
    for item in listed.items if listed else ():
        if isinstance(item.value, str) and item.value not in known:
            hint = meant(item.value, known) or "; declare it under the top-level 'secrets:'"
            faults.add(item.place, item.path, f"there is no secret {item.value!r}{hint}")


def _dependencies(workloads: dict[str, Node], faults: Faults) -> None:
    for name, node in workloads.items():
        for item in _needs(node):
            if item.value == name:
                faults.add(item.place, item.path, f"{name!r} cannot wait for itself")
            elif str(item.value) not in workloads:
                hint = meant(str(item.value), workloads)
                faults.add(item.place, item.path, f"there is no engine or service {item.value!r}{hint}")
    for circle in _circles(workloads):
        first = workloads[circle[0]]
        where = first.at("depends_on") or first
        faults.add(where.place, where.path, f"these wait for each other: {' -> '.join((*circle, circle[0]))}")


def _needs(node: Node) -> list[Node]:
    listed = node.at("depends_on")
    return [item for item in listed.items if isinstance(item.value, str)] if listed else []


def _circles(workloads: dict[str, Node]) -> Iterator[list[str]]:
    """Each circle of `depends_on` once, beginning with the member that stands first in the file."""
    done: set[str] = set()
    for start in workloads:
        trail: list[str] = []
        todo = [(start, 0)]
        while todo:
            name, depth = todo.pop()
            del trail[depth:]
            if name in trail:
                yield _turned(trail[trail.index(name) :], list(workloads))
                done.update(trail)
            if name in done or name in trail:
                continue
            trail.append(name)
            nexts = [str(item.value) for item in _needs(workloads[name]) if item.value in workloads]
            todo += [(needed, depth + 1) for needed in nexts if needed != name]
        done.add(start)


def _turned(circle: list[str], order: list[str]) -> list[str]:
    at = circle.index(min(circle, key=order.index))
    return circle[at:] + circle[:at]


def _monitor(engine: Node, faults: Faults) -> None:
    """A replica that hangs is seen when one check runs into its timeout; who watches for less never sees it."""
    monitor = _seconds(engine, "update", "monitor", default=Update().monitor)
    timeout = _seconds(engine, "healthcheck", "timeout", default=HealthCheck().timeout)
    node = engine.at("update", "monitor") or engine.at("healthcheck", "timeout")
    if node and monitor is not None and timeout is not None and 0 < monitor < timeout:
        text = f"update.monitor ({monitor:g} s) is shorter than healthcheck.timeout ({timeout:g} s)"
        faults.warn(node.place, node.path, f"{text}: a new replica that hangs would count as good")


def _seconds(engine: Node, *path: str, default: float) -> float | None:
    node = engine.at(*path)
    if node is None:
        return default
    try:
        return parse_duration(node.value)
    except ValueError:
        return None


def _bind(root: Node, faults: Faults) -> None:
    node = root.at("gateway", "bind")
    try:
        address = ipaddress.ip_address(str(node.value)) if node else None
    except ValueError:
        return
    if node and address and not address.is_loopback:
        text = f"whoever reaches {node.text} reaches every engine; 127.0.0.1 keeps them to this machine"
        faults.warn(node.place, node.path, text)
