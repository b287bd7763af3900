"""Where each value of a fleet comes from: a line of a file, a variable, a default."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from nautilus_cli.loader.faults import Path
from nautilus_cli.loader.tree import Node, clean


class Variables(dict[str, str]):
    """The variables of `.env` and of the environment, which wins; each knows where it comes from."""

    def __init__(self, dotenv: Mapping[str, str], environ: Mapping[str, str]) -> None:
        super().__init__(clean({**dotenv, **environ}))
        self._given = frozenset(environ)

    def told(self, names: Iterable[str]) -> str:
        """These variables, each once, with where they come from."""
        return ", ".join(f"{name} {self._source(name)}" for name in dict.fromkeys(names))

    def _source(self, name: str) -> str:
        if name not in self:
            return "(not set)"
        empty = "" if self[name] else " (empty)"
        return f"from the environment{empty}" if name in self._given else f"from .env{empty}"


def origin(document: Node, path: Path) -> str:
    """Where the value under this path comes from, in words for one line."""
    node: Node | None = document
    for part in path:
        items = node.items if node else []
        node = (items[part] if part < len(items) else None) if isinstance(part, int) else node and node.at(part)
    text = _words(node) if node else "default"
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _words(node: Node) -> str:
    """As `defaults, engines.yaml:31 via TAG from .env`."""
    shared = "defaults, " if node.path[:1] == ("defaults",) else ""
    text = node.origin or f"{shared}{node.place.file}:{node.place.line}"
    return f"{text} via {node.via}" if node.via else text
