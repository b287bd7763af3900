"""Plain data as YAML text, with or without a comment behind each value; the only writer of YAML."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import yaml

from nautilus_cli.loader.faults import Path
from nautilus_cli.loader.tree import scalar

_BREAKS = re.compile("[\r\x85\u2028\u2029]")


def dump(data: Any) -> str:
    """Plain data as YAML, in its own order."""
    return str(yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110))


def commented(data: Any, comment: Callable[[Path], str]) -> str:
    """The same YAML with what `comment` says of each value behind it."""
    text = dump(data)
    lines = text.split("\n")
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert root
    for path, leaf in _leaves(root, ()):
        lines[leaf.end_mark.line] += f"  # {comment(path)}"
    return "\n".join(lines)


def _leaves(node: yaml.Node, path: Path) -> Iterator[tuple[Path, yaml.Node]]:
    """What is written on lines of its own: scalars, and collections without anything in them."""
    if isinstance(node, yaml.ScalarNode) or not node.value:
        yield path, node
    elif isinstance(node, yaml.MappingNode):
        for key, child in node.value:
            yield from _leaves(child, (*path, key.value))
    else:
        for index, child in enumerate(node.value):
            yield from _leaves(child, (*path, index))


class _Dumper(yaml.SafeDumper):
    """PyYAML's safe dumper, with quotes around text that `scalar` would take for something else.

    Line breaks other than `\n` are escaped: a reader of YAML turns them into one.
    """

    def represent_str(self, data: str) -> yaml.ScalarNode:
        style = '"' if _BREAKS.search(data) else None if scalar(data) == data else "'"
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Dumper.add_representer(str, _Dumper.represent_str)
