"""The short forms that people may write, each turned into the one form that the fleet has."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import replace

from nautilus_cli.loader.faults import Faults
from nautilus_cli.loader.tree import Node

Form = Callable[[Node, Faults], Node]


def expanded(workload: Node, faults: Faults) -> Node:
    """The same engine, service or defaults with every short form written out."""
    if not isinstance(workload.value, dict):
        return workload
    children = {key: FORMS[key](node, faults) if key in FORMS else node for key, node in workload.value.items()}
    return replace(workload, value=children)


def count(node: Node, _: Faults) -> Node:
    """`3` is `{min: 3, max: 3}`."""
    if isinstance(node.value, (int, str)) and not isinstance(node.value, bool):
        return replace(node, value={"min": node, "max": node})
    return node


def words(node: Node, faults: Faults) -> Node:
    """A command line becomes a list of words, as a shell would split it."""
    if isinstance(node.value, str):
        try:
            return replace(node, value=[replace(node, value=word, text=word) for word in shlex.split(node.value)])
        except ValueError:
            faults.add(node.place, node.path, "a quote in this command is opened and never closed")
            return replace(node, value=None)
    return texts(node, faults)


def texts(node: Node, _: Faults) -> Node:
    """A single value becomes a list of it; numbers and booleans become text as they are written."""
    if isinstance(node.value, list):
        return replace(node, value=[text(item) for item in node.value])
    if isinstance(node.value, str):
        return replace(node, value=[node])
    return node


def text(node: Node) -> Node:
    """A number or boolean as it was written: 1.10 stays '1.10'."""
    return replace(node, value=node.text) if isinstance(node.value, (int, float)) else node


def pairs(node: Node, faults: Faults) -> Node:
    """`[KEY=value, OTHER]` becomes `{KEY: value, OTHER: null}`; values become text."""
    if isinstance(node.value, dict):
        return replace(node, value={key: text(child) for key, child in node.value.items()})
    if not isinstance(node.value, list):
        return node
    entries: dict[str, Node] = {}
    for item in node.value:
        written = item.text
        if isinstance(item.value, (dict, list)) or not written:
            faults.add(item.place, item.path, "must be KEY=value, or KEY alone for the caller's value")
            continue
        key, equals, value = written.partition("=")
        if key in entries:
            faults.add(item.place, item.path, f"{key!r} stands in this list twice")
        path = (*node.path, key)
        entries[key] = replace(item, value=value if equals else None, text=value, path=path, plain=False)
    return replace(node, value=entries)


def build(node: Node, faults: Faults) -> Node:
    """A folder alone is `{context: folder}`."""
    if isinstance(node.value, str):
        return replace(node, value={"context": node})
    if node.has("args"):
        node = node.put("args", pairs(node.children["args"], faults))
    if node.has("inputs"):
        node = node.put("inputs", texts(node.children["inputs"], faults))
    return node


def limits(node: Node, _: Faults) -> Node:
    """`nofile: 1024` is `nofile: {soft: 1024, hard: 1024}`."""
    if not isinstance(node.value, dict):
        return node
    both = {
        name: replace(limit, value={"soft": limit, "hard": limit}) if isinstance(limit.value, (int, str)) else limit
        for name, limit in node.value.items()
    }
    return replace(node, value=both)


def check(node: Node, faults: Faults) -> Node:
    """The command of a service's health check or of a process, a line or a list."""
    return node.put("command", words(node.children["command"], faults)) if node.has("command") else node


def bench(node: Node, faults: Faults) -> Node:
    """The headers, as a mapping or a list; a body is text, however it looks."""
    if node.has("headers"):
        node = node.put("headers", pairs(node.children["headers"], faults))
    return node.put("body", text(node.children["body"])) if node.has("body") else node


def hooks(node: Node, faults: Faults) -> Node:
    """The commands of hooks, lines or lists."""
    return node.put("pre_deploy", words(node.children["pre_deploy"], faults)) if node.has("pre_deploy") else node


def volumes(node: Node, faults: Faults) -> Node:
    """`data:/data:ro` becomes source, target and whether it is read-only."""
    if not isinstance(node.value, list):
        return node
    parsed = [volume(item, faults) for item in node.value]
    return replace(node, value=[item for item in parsed if item])


def volume(node: Node, faults: Faults) -> Node | None:
    """One volume; None where it cannot be understood."""
    match = re.fullmatch(r"([^:]+):([^:]+)(?::(ro|rw))?", node.value) if isinstance(node.value, str) else None
    if not match:
        how = "write name:/path, ./host/path:/path or either with :ro"
        faults.add(node.place, node.path, f"{node.text!r} is not a volume; {how}" if node.text else how)
        return None
    source, target, mode = match.groups()
    if not re.fullmatch(r"[./~].*|[A-Za-z0-9][A-Za-z0-9_.-]*", source):
        faults.add(node.place, node.path, f"{source!r} is no name of a volume; a path begins with ./ or /")
        return None
    parts = {"source": source, "target": target, "read_only": mode == "ro"}
    return replace(node, value={key: replace(node, value=value, text=str(value)) for key, value in parts.items()})


FORMS: dict[str, Form] = {
    "bench": bench,
    "build": build,
    "command": words,
    "entrypoint": words,
    "environment": pairs,
    "env_file": texts,
    "healthcheck": check,
    "hooks": hooks,
    "labels": pairs,
    "process": check,
    "replicas": count,
    "tmpfs": texts,
    "ulimits": limits,
    "volumes": volumes,
}
