"""Another engine in the text of a file: every line that was there stays as it was, its comments too."""

from __future__ import annotations

import textwrap

import yaml

from nautilus_cli.errors import ConfigError


def with_engine(text: str, entry: str) -> str:
    """The text with this entry after the last of its `engines`; `ConfigError` where they are not written in lines."""
    engines = _engines(yaml.compose(text, yaml.SafeLoader))
    if engines is None or engines.flow_style or not engines.value:
        raise ConfigError(
            "its `engines:` are not a block with an engine a paragraph, so none can be added", f"add by hand:\n{entry}"
        )
    lines = text.splitlines(keepends=True)
    end = _end(engines)
    lines[end - 1] = lines[end - 1].rstrip("\n") + "\n"  # the last one may have no end
    paragraph = "\n" + textwrap.indent(entry.strip("\n"), " " * engines.value[0][0].start_mark.column) + "\n"
    return "".join([*lines[:end], paragraph, *lines[end:]])


def _engines(root: yaml.Node | None) -> yaml.MappingNode | None:
    if isinstance(root, yaml.MappingNode):
        for key, value in root.value:
            if key.value == "engines" and isinstance(value, yaml.MappingNode):
                return value
    return None


def _end(node: yaml.Node) -> int:
    """The number of the last line that a value stands in; YAML counts the comments after a block to it."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return max(map(_end, last)) if isinstance(last, tuple) else _end(last)
    mark = node.end_mark
    return int(mark.line + (1 if mark.column else 0)) or 1
