"""YAML text as a tree in which every value knows where it stands; the only reader of YAML."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import yaml

from nautilus_cli.loader.faults import Faults, Path, Place, Stop

MAX_NODES = 20_000  # after aliases are expanded
MAX_DEPTH = 40

Scalar = str | int | float | bool | None

_PLAIN, _TEXT = "plain", "text"
_CORE = "tag:yaml.org,2002:"
_PLAIN_TAGS = {_PLAIN, *(_CORE + kind for kind in ("int", "float", "bool", "null"))}
_KNOWN_TAGS = {*_PLAIN_TAGS, _TEXT, *(_CORE + kind for kind in ("str", "map", "seq"))}
RESET, OVERRIDE = "!reset", "!override"  # Compose's tags: take away, or replace, what earlier files say
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_UNUSABLE = re.compile("[\0\ud800-\udfff]")
_PROBLEMS = (
    (r"character '\\t'", "a tab cannot indent; use spaces"),
    ("mapping values are not allowed", "a ':' is not possible here; check the indentation, or quote the text"),
    ("could not find expected ':'", "a ':' is missing after this key"),
    ("expected <block end>", "this line's indentation fits nothing above it"),
    ("expected a single document", "the file holds more than one document; keep one"),
    ("undefined alias", "there is no anchor of this name above"),
    (r"expected ',' or '[\]}]'", "a ',' or the closing bracket is missing before this"),
    (
        "expected the node content",
        "a value cannot begin here; put quotes around text that begins with a special character",
    ),
    ("cannot start any token", "text cannot begin with this character; put quotes around it"),
    ("found unexpected end of stream", "a quote is opened and never closed"),
)


@dataclass(frozen=True, slots=True)
class Node:
    """One value of the file: what it is, where it stands, and what it was called there."""

    value: Scalar | list[Node] | dict[str, Node]
    place: Place
    path: Path
    text: str = ""  # of a scalar: as it was written
    plain: bool = False  # of a scalar: without quotes
    tag: str = ""  # RESET or OVERRIDE
    origin: str = ""  # where it comes from, when not from its place
    via: str = ""  # the variables or the file that gave it its value

    @property
    def children(self) -> Mapping[str, Node]:
        """The entries of a mapping; none of anything else."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def items(self) -> list[Node]:
        """The items of a list; none of anything else."""
        return self.value if isinstance(self.value, list) else []

    def at(self, *path: str) -> Node | None:
        """What stands under these keys, if anything does."""
        node: Node | None = self
        for key in path:
            node = node.children.get(key) if node else None
        return node

    def has(self, key: str) -> bool:
        """Whether there is a value under this key."""
        child = self.children.get(key)
        return child is not None and child.value is not None

    def put(self, key: str, child: Node | None) -> Node:
        """The same mapping with another child; `None` takes it away."""
        children = {name: node for name, node in self.children.items() if name != key or child is not None}
        return replace(self, value=children if child is None else {**children, key: child})

    def graft(self, key: str, data: Any) -> Node:
        """Plain data that no file says, as a node that stands where this one does."""
        return node_of(data, self.place, (*self.path, key))

    def walk(self) -> Iterator[Node]:
        """This node and all under it."""
        yield self
        for child in (*self.children.values(), *self.items):
            yield from child.walk()


def node_of(data: Any, place: Place, path: Path) -> Node:
    """Plain data as a tree in which everything stands at one place."""
    if isinstance(data, dict):
        return Node({key: node_of(value, place, (*path, key)) for key, value in data.items()}, place, path)
    if isinstance(data, (list, tuple)):
        return Node([node_of(value, place, (*path, index)) for index, value in enumerate(data)], place, path)
    return Node(data, place, path, "" if data is None else str(data), origin="default")


def plain(node: Node) -> Any:
    """The tree as plain data, without the places."""
    if isinstance(node.value, dict):
        return {key: plain(child) for key, child in node.value.items()}
    if isinstance(node.value, list):
        return [plain(child) for child in node.value]
    return node.value


def merge(under: Node, over: Node) -> Node:
    """Mappings merged deeply, `over` winning; everything else is replaced."""
    if not isinstance(under.value, dict) or not isinstance(over.value, dict):
        return over
    merged = dict(under.value)
    for key, child in over.value.items():
        merged[key] = merge(merged[key], child) if key in merged else child
    return replace(over, value=merged)


def scalar(text: str) -> Scalar:
    """What unquoted text means by YAML 1.2's core schema: `no` and `1:30` are text, `true` and `30` are not."""
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if re.fullmatch(r"[-+]?[0-9]{1,18}", text):
        return int(text)
    if re.fullmatch(r"[-+]?(\.[0-9]{1,18}|[0-9]{1,18}(\.[0-9]{0,18})?)([eE][-+]?[0-9]{1,2})?", text):
        return float(text)
    return text


def usable(text: str) -> bool:
    """Whether no character stands in the way of an argument, a path or a file in UTF-8."""
    return not _UNUSABLE.search(text)


def clean(values: Mapping[str, str]) -> dict[str, str]:
    """The same variables; what cannot be written as UTF-8 is marked as such."""
    return {key: _UNUSABLE.sub("\N{REPLACEMENT CHARACTER}", value) for key, value in values.items()}


def parse(text: str, file: str, faults: Faults) -> Node:
    """The tree of the file's one document; duplicate keys and tags are faults, unreadable text is the only one."""
    root = _compose(text, file)
    if root is None or (isinstance(root, yaml.ScalarNode) and root.tag == _PLAIN and scalar(root.value) is None):
        raise Stop(Place(file), "the file is empty; declare at least one engine under 'engines:'")
    return _Reader(file, faults).node(root, (), 0)


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, bounded, telling plain scalars from quoted ones instead of guessing types."""

    def __init__(self, text: str, file: str) -> None:
        super().__init__(text)
        self.file = file
        self.depth = 0
        self.nodes = 0

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        if kind is yaml.ScalarNode:
            return _PLAIN if implicit[0] else _TEXT
        return super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]

    def compose_node(self, parent: Any, index: Any) -> Any:
        self.depth += 1
        self.nodes += 1
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        if self.depth > MAX_DEPTH:
            raise Stop(_place(self.file, mark), f"values are nested more than {MAX_DEPTH} levels deep")
        if self.nodes > MAX_NODES:
            raise Stop(_place(self.file, mark), f"the file holds more than {MAX_NODES:,} values")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _compose(text: str, file: str) -> yaml.Node | None:
    loader: _Loader | None = None
    try:
        loader = _Loader(text, file)
        return loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        problem = next((ours for theirs, ours in _PROBLEMS if re.search(theirs, str(error))), str(error.problem))
        raise Stop(_place(file, error.problem_mark or error.context_mark), problem) from None
    except yaml.reader.ReaderError as error:
        raise Stop(
            _offset(file, text, error.position), f"the character U+{error.character:04X} is not allowed"
        ) from None
    except (ValueError, OverflowError) as error:  # PyYAML lets those of chr() and int() through
        mark = loader.get_mark() if loader else None
        raise Stop(_place(file, mark), f"this cannot be read: {error}") from None


def _place(file: str, mark: Any) -> Place:
    return Place(file, mark.line + 1, mark.column + 1) if mark else Place(file)


def _offset(file: str, text: str, offset: int) -> Place:
    before = text[:offset]
    return Place(file, before.count("\n") + 1, len(before) - before.rfind("\n"))


class _Reader:
    """Turns PyYAML's graph into a tree of nodes, counting what aliases multiply."""

    def __init__(self, file: str, faults: Faults) -> None:
        self.file = file
        self.faults = faults
        self.nodes = 0

    def node(self, raw: yaml.Node, path: Path, depth: int, place: Place | None = None) -> Node:
        here = place or _place(self.file, raw.start_mark)
        self.nodes += 1
        if self.nodes > MAX_NODES or depth > MAX_DEPTH:
            raise Stop(here, f"aliases expand to more than {MAX_NODES:,} values, or without end")
        tag = raw.tag if raw.tag in (RESET, OVERRIDE) else ""
        if tag == RESET:
            return Node(None, here, path, tag=tag)
        if not tag and raw.tag not in _KNOWN_TAGS:
            shown = raw.tag.replace(_CORE, "!!")
            self.faults.add(here, path, f"the tag {shown!r} is not allowed; write text, numbers, lists and mappings")
            return Node(None, here, path)
        if isinstance(raw, yaml.MappingNode):
            return Node(self._mapping(raw, path, depth), here, path, tag=tag)
        if isinstance(raw, yaml.SequenceNode):
            return Node([self._item(r, (*path, i), depth + 1) for i, r in enumerate(raw.value)], here, path, tag=tag)
        unquoted = tag and isinstance(raw, yaml.ScalarNode) and not raw.style
        is_plain = bool(unquoted) or raw.tag in _PLAIN_TAGS
        return Node(scalar(raw.value) if is_plain else raw.value, here, path, raw.value, is_plain, tag)

    def _item(self, raw: yaml.Node, path: Path, depth: int) -> Node:
        item = self.node(raw, path, depth)
        if item.tag:
            self.faults.add(item.place, path, f"{item.tag} must stand behind a key, not before an item of a list")
        return item

    def _mapping(self, raw: yaml.MappingNode, path: Path, depth: int) -> dict[str, Node]:
        merged: dict[str, Node] = {}
        own: dict[str, Node] = {}
        for key, value in raw.value:
            place = _place(self.file, key.start_mark)
            if not isinstance(key, yaml.ScalarNode) or not usable(key.value):
                self.faults.add(place, path, "a key must be plain text")
            elif key.value == "<<" and key.tag == _PLAIN:
                merged = {**self._merged(value, path, depth, place), **merged}
            elif key.value in own:
                first = own[key.value].place.line
                self.faults.add(place, (*path, key.value), f"this key stands here twice; it is already on line {first}")
            else:
                own[key.value] = self.node(value, (*path, key.value), depth + 1, place)
        return {**merged, **own}

    def _merged(self, raw: yaml.Node, path: Path, depth: int, place: Place) -> dict[str, Node]:
        """What `<<` brings: of several mappings the first one wins."""
        sources = raw.value if isinstance(raw, yaml.SequenceNode) else [raw]
        merged: dict[str, Node] = {}
        for source in sources:
            if not isinstance(source, yaml.MappingNode):
                self.faults.add(place, path, "'<<' merges mappings only")
                continue
            self.nodes += 1
            if self.nodes > MAX_NODES or depth > MAX_DEPTH:
                raise Stop(place, f"aliases expand to more than {MAX_NODES:,} values, or without end")
            merged = {**self._mapping(source, path, depth + 1), **merged}
        return merged
