"""Several files as one, by Compose's rules: mappings merge by key, most lists are joined, all else is replaced."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace

from nautilus_cli.loader.tree import OVERRIDE, RESET, Node, plain


def _itself(item: Node) -> str:
    return repr(plain(item))


def _target(item: Node) -> str:
    target = item.at("target")
    return str(target.value) if target else _itself(item)


# What Compose does with the list of a later file. Some replace the earlier list; all others are joined to it, and an
# item that is the same thing as an earlier one takes its place. What makes two items the same stands here.
LISTS: dict[str, Callable[[Node], str] | None] = {
    "command": None,  # replaced, as `command`; of a service's healthcheck, as `healthcheck.test`
    "entrypoint": None,  # replaced, as `entrypoint`
    "pre_deploy": None,  # replaced, as a command
    "volumes": _target,  # joined by the path in the container, as `volumes`
    "secrets": _itself,  # joined by target, as `secrets`; here a secret's target is its name
    "tmpfs": _itself,  # joined by path, as `tmpfs`
    "depends_on": _itself,  # joined by name, as `depends_on`
    "cap_drop": _itself,  # joined by name, as `cap_drop`
    "cap_add": _itself,  # joined by name, as `cap_add`
    "env_file": _itself,  # joined by path, as `env_file`
    "inputs": _itself,  # Compose has none; joined by path, as its rule for sequences says
}
# `environment`, `labels`, `ulimits` and `build.args` are mappings by now, however they were written.


def overlaid(under: Node, over: Node) -> Node:
    """What two files say together: `over` is the later one."""
    identity = LISTS.get(str(over.path[-1]), _itself) if over.path else None
    if over.tag == OVERRIDE or (isinstance(under.value, list) and identity is None):
        return pruned(over)
    if isinstance(under.value, dict) and isinstance(over.value, dict):
        return replace(over, value=_merged(under.value, over.value))
    if isinstance(under.value, list) and isinstance(over.value, list) and identity:
        return replace(over, value=_joined(under.value, over.value, identity))
    if over.value is None and isinstance(under.value, (dict, list)):
        return under  # a key without a value says nothing of what is below it
    return pruned(over)


def pruned(node: Node) -> Node:
    """One file alone: what it resets is not there."""
    return replace(node, value=_merged({}, node.value)) if isinstance(node.value, dict) else node


def _merged(under: dict[str, Node], over: dict[str, Node]) -> dict[str, Node]:
    merged = dict(under)
    for key, child in over.items():
        if child.tag == RESET:
            merged.pop(key, None)
        else:
            merged[key] = overlaid(merged[key], child) if key in merged else pruned(child)
    return merged


def _joined(under: list[Node], over: list[Node], identity: Callable[[Node], str]) -> list[Node]:
    """Each earlier item is replaced once at most, so that what one file says twice stays a fault."""
    joined = list(under)
    places: dict[str, list[int]] = defaultdict(list)
    for at, item in enumerate(under):
        places[identity(item)].append(at)
    for item in over:
        if same := places.get(identity(item)):
            joined[same.pop(0)] = item
        else:
            joined.append(item)
    return joined
