"""One or more files as a fleet: read, merged, checked completely, or refused with every fault at once."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path

from nautilus_cli.errors import ConfigError
from nautilus_cli.fleet import Engine, Fleet
from nautilus_cli.loader import assemble, dotenv, rules, tree
from nautilus_cli.loader.faults import Faults, Stop
from nautilus_cli.loader.keys import checked
from nautilus_cli.loader.origin import Variables
from nautilus_cli.loader.overlay import overlaid, pruned
from nautilus_cli.loader.settle import settled
from nautilus_cli.loader.shorthand import expanded
from nautilus_cli.loader.tree import Node
from nautilus_cli.loader.words import validated
from nautilus_cli.units import shown


@dataclass(frozen=True, slots=True)
class Loaded:
    """A fleet, what is probably not meant in its files, and where each of its values stands there."""

    fleet: Fleet
    warnings: tuple[str, ...]
    document: Node


def load(files: Sequence[Path], environ: Mapping[str, str], name: str | None = None) -> Loaded:
    """The fleet that the files declare, each over those before it; `ConfigError` tells every fault of them, by line.

    Paths are relative to the first file's folder, `.env` stands beside it, and `name` wins over theirs.
    """
    if not files:
        raise ConfigError("no file was given", "Name one with --file.")
    faults = Faults()
    variables = Variables(_dotenv(files[0], environ, faults), environ)
    source = assemble.Source(Path(os.path.realpath(files[0].parent)), variables, faults)  # loops raise nothing
    roots = [root for path in files if (root := _read(path, source))]
    if len(roots) < len(files):
        faults.check()
    document = _document(_merged(roots), source, name)
    fleet = validated(Fleet, document, faults)
    rules.check(document, faults)
    faults.check()
    assert fleet
    return Loaded(fleet, faults.warnings, document)


def _read(path: Path, source: assemble.Source) -> Node | None:
    """One file, its variables replaced and its short forms written out; None where it cannot be read."""
    try:
        root = tree.parse(dotenv.read_text(path, str(path)), str(path), source.faults)
        if not isinstance(root.value, dict):
            raise Stop(root.place, "the file must be a mapping that begins with 'name:' or 'engines:'")
    except Stop as stop:
        source.faults.add(stop.place, (), stop.text)
        return None
    return _expanded(settled(root, source.environ, source.faults), source.faults)


def _merged(roots: Sequence[Node]) -> Node:
    """All files as one, which stands where the first one does."""
    return replace(reduce(overlaid, roots[1:], pruned(roots[0])), place=roots[0].place)


def _dotenv(path: Path, environ: Mapping[str, str], faults: Faults) -> dict[str, str]:
    file = path.parent / ".env"
    if not assemble.exists(file):
        return {}
    try:
        return dotenv.parse(dotenv.read_text(file, str(file)), str(file), environ)
    except Stop as stop:
        faults.add(stop.place, (), stop.text)
        return {}


def _document(root: Node, source: assemble.Source, name: str | None) -> Node:
    """The tree in the fleet's own form."""
    root = replace(root, value={key: child for key, child in root.children.items() if child.value is not None})
    root = checked(root, Fleet, "", source.faults)
    if not root.at("engines") or root.children["engines"].value == {}:
        source.faults.add(root.place, (), "there is no engine; declare at least one under 'engines:'")
    defaults = _defaults(root, source.faults)
    validated(Engine, assemble.probe(defaults, source), source.faults)
    root = root.put("defaults", None)
    root = _each(root, "engines", lambda key, node: assemble.engine(key, node, defaults, source))
    root = _each(root, "services", lambda key, node: assemble.service(key, node, source))
    root = _each(root, "secrets", lambda key, node: assemble.secret(key, node, source))
    root = root.put("gateway", assemble.gateway(_section(root, "gateway"), source))
    root = root.put("directory", root.graft("directory", str(source.directory)))
    return root.put("name", _name(root, source, name))


def _expanded(root: Node, faults: Faults) -> Node:
    for key in ("engines", "services"):
        root = _each(root, key, lambda _, node: expanded(node, faults))
    defaults = root.children.get("defaults")
    return root.put("defaults", expanded(defaults, faults)) if defaults else root


def _section(root: Node, key: str) -> Node:
    return root.children.get(key) or root.graft(key, {})


def _each(root: Node, key: str, change: Callable[[str, Node], Node]) -> Node:
    section = root.children.get(key)
    if section is None or not isinstance(section.value, dict):
        return root
    return root.put(key, replace(section, value={name: change(name, node) for name, node in section.value.items()}))


def _defaults(root: Node, faults: Faults) -> Node:
    defaults = _section(root, "defaults")
    if not isinstance(defaults.value, dict):
        faults.add(defaults.place, defaults.path, f"must be a mapping (key: value), not {shown(defaults.value)}")
        return root.graft("defaults", {})
    return defaults


def _name(root: Node, source: assemble.Source, name: str | None) -> Node:
    """As with Compose: the argument, the environment, the file, the folder."""
    chosen = name or source.environ.get("NAUTILUS_PROJECT_NAME")
    if chosen:
        told = source.environ.told(["NAUTILUS_PROJECT_NAME"])
        given = source.environ.get("NAUTILUS_PROJECT_NAME") == chosen  # the option takes the variable's value too
        return replace(root.graft("name", chosen), origin=told if given else "--project-name")
    return root.children.get("name") or root.graft("name", sanitised(source.directory.name))


def sanitised(folder: str) -> str:
    """A folder's name as a fleet's name."""
    return re.sub(r"[^a-z0-9-]+", "-", folder.lower()).strip("-")[:40].rstrip("-") or "fleet"
