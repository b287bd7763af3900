"""The tree as its author meant it: without `x-` keys, with variables replaced."""

from __future__ import annotations

from dataclasses import replace

from nautilus_cli.loader.faults import Faults, Path
from nautilus_cli.loader.interpolate import expand
from nautilus_cli.loader.origin import Variables
from nautilus_cli.loader.tree import Node, scalar, usable

_NAMED = ("engines", "services", "secrets")
_FREE = ("environment", "labels", "ulimits", "args", "headers")


def settled(node: Node, environ: Variables, faults: Faults) -> Node:
    """The same tree with `${VAR}` replaced in values and without the user's own keys."""
    if isinstance(node.value, dict):
        kept = {k: child for k, child in node.value.items() if not k.startswith("x-") or _free(node.path)}
        return replace(node, value={key: settled(child, environ, faults) for key, child in kept.items()})
    if isinstance(node.value, list):
        return replace(node, value=[settled(item, environ, faults) for item in node.value])
    return _interpolated(node, environ, faults) if isinstance(node.value, str) else node


def _free(path: Path) -> bool:
    """Whether the keys under this path are names that people choose, not words of the file."""
    depth = 1 if path[:1] == ("defaults",) else 2 if path[:1] in (("engines",), ("services",)) else len(path)
    return (len(path) == 1 and path[0] in _NAMED) or (len(path) > depth and path[-1] in _FREE)


def _interpolated(node: Node, environ: Variables, faults: Faults) -> Node:
    def unset(name: str) -> None:
        faults.warn(node.place, node.path, f"{name} is not set and has no default; it counts as empty")

    used: list[str] = []
    try:
        text = expand(node.text, environ, unset, used.append)
    except ValueError as error:
        faults.add(node.place, node.path, str(error))
        return replace(node, value=None, text="")
    if not usable(text):
        faults.add(node.place, node.path, "holds a character that is not possible here (NUL or half a surrogate pair)")
        return replace(node, value=None, text="")
    value = _typed(text) if node.plain and text != node.text else text
    return replace(node, value=value, text=text, via=environ.told(used))


def _typed(text: str) -> str | int | float | bool:
    """Plain text is read once more, so that `port: ${PORT}` is a number; nothing at all stays text, never null."""
    value = scalar(text)
    return text if value is None else value
