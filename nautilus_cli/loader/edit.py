"""Replica counts into a file that people wrote: nothing else of it changes, its comments least of all.

The place of the value is found in the file's YAML, and only those characters are replaced. The changed file is then
read as a fleet: when that is not the same fleet with these counts alone, nothing is written.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from nautilus_cli.errors import ConfigError
from nautilus_cli.fleet import Fleet, Replicas
from nautilus_cli.loader.document import load

KEY = "replicas"


def write_replicas(
    files: Sequence[Path], environ: Mapping[str, str], project: str | None, engine: str, wanted: Replicas
) -> Path:
    """Put an engine's replica counts into the file that says them last, or else declares the engine; its path.

    `ConfigError` says what to write by hand where that would change anything else.
    """
    before = load(files, environ, project).fleet
    texts = {path: path.read_bytes().decode() for path in files}
    path, text = edited(texts, engine, wanted)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_bytes(text.encode())
        shutil.copymode(path, draft)
        after = read_again([draft if file == path else file for file in files], environ, project, before)
        if after != counted(before, engine, wanted):
            raise by_hand(path, engine, wanted, "its value is shared with something else")
        draft.replace(path.resolve())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}", hint(engine, wanted)) from None
    finally:
        draft.unlink(missing_ok=True)
    return path


def read_again(files: Sequence[Path], environ: Mapping[str, str], project: str | None, before: Fleet) -> Fleet | None:
    """The fleet that the changed files declare; None where they declare none any more."""
    try:
        return load(files, environ, project or before.name).fleet
    except ConfigError:
        return None


def counted(fleet: Fleet, engine: str, wanted: Replicas) -> Fleet:
    """The fleet with these counts of one engine."""
    changed = fleet.engines[engine].model_copy(update={KEY: wanted})
    return fleet.model_copy(update={"engines": {**fleet.engines, engine: changed}})


def edited(texts: Mapping[Path, str], engine: str, wanted: Replicas) -> tuple[Path, str]:
    """The file to change and its new text."""
    nodes = {path: at(yaml.compose(text, Loader=yaml.SafeLoader), "engines", engine) for path, text in texts.items()}
    declaring = [path for path, node in nodes.items() if isinstance(node, yaml.MappingNode) and node.value]
    if not declaring:
        raise by_hand(next(iter(texts)), engine, wanted, "its declaration was not found")
    path = next((path for path in reversed(declaring) if at(nodes[path], KEY)), declaring[-1])
    return path, replaced(texts[path], nodes[path], wanted)


def at(node: yaml.Node | None, *keys: str) -> yaml.Node | None:
    """What stands under these keys of a mapping."""
    for key in keys:
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        node = next((value for name, value in pairs if name.value == key), None)
    return node


def replaced(text: str, engine: yaml.Node | None, wanted: Replicas) -> str:
    """The text with these counts for this engine, in the form that it has there."""
    assert isinstance(engine, yaml.MappingNode)
    told = f"{{min: {wanted.min}, max: {wanted.max}}}"
    node = at(engine, KEY)
    if node is None:
        return inserted(text, engine, told)
    if not isinstance(node, yaml.MappingNode) or node.flow_style:
        return text[: node.start_mark.index] + told + text[node.end_mark.index :]
    spans = {key.value: value for key, value in node.value}
    last = max(spans.values(), key=lambda value: value.end_mark.index)
    indent = " " * node.value[0][0].start_mark.column
    changes = []
    for key, count in (("min", wanted.min), ("max", wanted.max)):
        if value := spans.get(key):
            changes.append((value.start_mark.index, value.end_mark.index, str(count)))
        else:
            end = end_of_line(text, last.end_mark.index)
            changes.append((end, end, f"{break_of(text)}{indent}{key}: {count}"))
    for start, end, new in sorted(changes, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def inserted(text: str, engine: yaml.MappingNode, told: str) -> str:
    """The text with a value that was not there, before all others of the engine."""
    first = engine.value[0][0].start_mark
    if engine.flow_style:
        return f"{text[: first.index]}{KEY}: {told}, {text[first.index :]}"
    # Behind the line of the engine's name: a comment above its first key belongs to that key.
    place = end_of_line(text, above(text, engine))
    return f"{text[:place]}{break_of(text)}{' ' * first.column}{KEY}: {told}{text[place:]}"


def above(text: str, engine: yaml.MappingNode) -> int:
    """Where the line above a block mapping's first key and its comments ends."""
    index = text.rindex("\n", 0, engine.value[0][0].start_mark.index)
    while (line := text[text.rfind("\n", 0, index) + 1 : index].strip()) == "" or line.startswith("#"):
        index = text.rindex("\n", 0, index)
    return index


def end_of_line(text: str, index: int) -> int:
    """Where the line of this place ends."""
    found = text.find("\n", index)
    end = len(text) if found < 0 else found
    return end - 1 if text[:end].endswith("\r") else end


def break_of(text: str) -> str:
    """How the lines of this text end."""
    return "\r\n" if "\r\n" in text else "\n"


def hint(engine: str, wanted: Replicas) -> str:
    """What to write by hand."""
    return f"write it yourself: engines.{engine}.replicas: {{min: {wanted.min}, max: {wanted.max}}}"


def by_hand(path: Path, engine: str, wanted: Replicas, why: str) -> ConfigError:
    """That a file cannot be changed for somebody."""
    return ConfigError(f"{path}: engines.{engine}.replicas cannot be written here: {why}", hint(engine, wanted))
