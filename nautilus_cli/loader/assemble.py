"""Engines and services with everything in place: defaults merged under them, files read, paths made absolute."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, replace
from pathlib import Path

from nautilus_cli.loader import dotenv
from nautilus_cli.loader.faults import Faults, Stop
from nautilus_cli.loader.origin import Variables
from nautilus_cli.loader.tree import Node, merge

STRICT = {
    "user": "1000",
    "read_only": True,
    "cap_drop": ["ALL"],
    "no_new_privileges": True,
    "pids": 256,
}
BASE_IMAGE = "python:3.13-slim-bookworm"
REDIS_PORT = 6379


@dataclass(frozen=True, slots=True)
class Source:
    """Where a file comes from: its folder, the variables around it, and who hears of its faults."""

    directory: Path
    environ: Variables
    faults: Faults

    def path(self, written: str) -> Path:
        """A path of the file as an absolute one."""
        home = self.environ.get("HOME", "~")
        expanded = home + written[1:] if written == "~" or written.startswith("~/") else written
        return Path(posixpath.normpath((self.directory / expanded).as_posix()))


def engine(name: str, node: Node, defaults: Node, source: Source) -> Node:
    """One engine, complete."""
    if not isinstance(node.value, dict):
        return node
    under = defaults
    if node.has("image"):
        under = defaults.put("build", None).put("process", None).put("security", None)
    else:
        under = merge(node.graft("", {"security": STRICT, "tmpfs": ["/tmp"]}), defaults)
    merged = replace(merge(under, node), path=node.path, place=node.place)
    if not merged.has("container_port") and merged.has("port"):
        merged = merged.put("container_port", merged.children["port"])
    if merged.has("build"):
        merged = merged.put("build", _build(name, merged.children["build"], source))
    return _named(name, _workload(merged, source))


def probe(defaults: Node, source: Source) -> Node:
    """The defaults as an engine of their own, so that those are checked too which no engine takes."""
    rest = defaults.graft("", {"port": 1, "container_port": 1, "build": {"context": "."}})
    return _named("probe", _workload(replace(merge(rest, defaults), path=defaults.path), source))


def service(name: str, node: Node, source: Source) -> Node:
    """One service, complete."""
    if not isinstance(node.value, dict):
        return node
    kind = node.at("kind")
    if kind and kind.value == "redis" and not node.has("port"):
        node = node.put("port", node.graft("port", REDIS_PORT))
    return _named(name, _workload(node, source))


def secret(name: str, node: Node, source: Source) -> Node:
    """One secret, its file found or its variable set."""
    file, variable = node.at("file"), node.at("environment")
    if file and isinstance(file.value, str):
        path = source.path(file.value)
        node = node.put("file", replace(file, value=str(path)))
        if not is_file(path):
            source.faults.add(file.place, file.path, f"there is no file {file.value!r}")
    if variable and isinstance(variable.value, str) and variable.value not in source.environ:
        source.faults.add(variable.place, variable.path, f"the variable {variable.value!r} is not set")
    return _named(name, without_nulls(node))


def gateway(node: Node, source: Source) -> Node:
    """The gateway's part, with the image that its own is built on."""
    if not isinstance(node.value, dict) or node.has("base_image"):
        return without_nulls(node)
    given = source.environ.get("NAUTILUS_BASE_IMAGE")
    image = node.graft("base_image", given or BASE_IMAGE)
    via = source.environ.told(["NAUTILUS_BASE_IMAGE"]) if given else ""
    return without_nulls(node.put("base_image", replace(image, via=via)))


def without_nulls(node: Node) -> Node:
    """A key without a value is as if it did not stand there."""
    if not isinstance(node.value, dict):
        return node
    kept = {key: without_nulls(child) for key, child in node.value.items() if child.value is not None}
    return replace(node, value=kept)


def is_file(path: Path) -> bool:
    """Whether a file stands there; a name that no system allows is no file."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def exists(path: Path) -> bool:
    """Whether anything stands there; a name that no system allows does not."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _named(name: str, node: Node) -> Node:
    return node.put("name", Node(name, node.place, node.path, name)) if isinstance(node.value, dict) else node


def _workload(node: Node, source: Source) -> Node:
    node = _environment(node, source).put("env_file", None)
    if node.has("labels"):
        node = node.put("labels", _filled(node.children["labels"], None))
    if node.has("volumes"):
        mounted = [_volume(volume, source) for volume in node.children["volumes"].items]
        if isinstance(node.children["volumes"].value, list):
            node = node.put("volumes", replace(node.children["volumes"], value=mounted))
    return without_nulls(node)


def _environment(node: Node, source: Source) -> Node:
    """The files first, then what stands in the file itself; a key without a value is the caller's, or absent."""
    own = node.children.get("environment", node.graft("environment", {}))
    if not isinstance(own.value, dict):
        return node
    declared = {key: _inherited(key, child, source.environ) for key, child in own.value.items()}
    merged = {**_env_files(node, source), **{key: child for key, child in declared.items() if child}}
    return node.put("environment", replace(own, value=merged))


def _inherited(key: str, child: Node, environ: Variables) -> Node | None:
    if child.value is not None:
        return child
    return replace(child, value=environ[key], text=environ[key], via=environ.told([key])) if key in environ else None


def _env_files(node: Node, source: Source) -> dict[str, Node]:
    found: dict[str, Node] = {}
    listed = node.at("env_file")
    if listed and listed.value is not None and not isinstance(listed.value, list):
        source.faults.add(listed.place, listed.path, "must be a file or a list of files")
    for item in listed.items if listed else ():
        if not isinstance(item.value, str):
            source.faults.add(item.place, item.path, "must be the name of a file")
            continue
        try:
            text = dotenv.read_text(source.path(item.value), item.value)
            values = dotenv.parse(text, item.value, source.environ)
        except Stop as stop:
            source.faults.add(item.place, item.path, f"{stop.place}: {stop.text}")
            continue
        path = (*item.path[: item.path.index("env_file")], "environment")
        found |= {k: Node(v, item.place, (*path, k), v, via=item.value) for k, v in values.items()}
    return found


def _filled(node: Node, environ: Variables | None) -> Node:
    """A mapping of texts in which a key without a value takes the caller's, or nothing."""
    if not isinstance(node.value, dict):
        return node

    def filled(key: str, child: Node) -> Node:
        if child.value is not None:
            return child
        value, via = ("", "") if environ is None else (environ.get(key, ""), environ.told([key]))
        return replace(child, value=value, via=via)

    return replace(node, value={key: filled(key, child) for key, child in node.value.items()})


def _volume(node: Node, source: Source) -> Node:
    origin = node.children.get("source")
    if not origin or not isinstance(origin.value, str) or not origin.value.startswith((".", "/", "~")):
        return node
    path = source.path(origin.value)
    if not exists(path):
        source.faults.warn(node.place, node.path, f"{origin.value!r} does not exist on this machine")
    return node.put("source", replace(origin, value=str(path)))


def _build(name: str, node: Node, source: Source) -> Node:
    if node.has("args"):
        node = node.put("args", _filled(node.children["args"], source.environ))
    context = node.at("context")
    if not context or not isinstance(context.value, str) or not context.value:
        return node
    folder = source.path(context.value)
    node = node.put("context", replace(context, value=str(folder)))
    if not exists(folder / "."):
        source.faults.add(context.place, context.path, f"there is no folder {context.value!r}")
        return node
    recipe = node.children.get("dockerfile", node.graft("dockerfile", "Dockerfile"))
    if isinstance(recipe.value, str) and not is_file(folder / recipe.value):
        source.faults.add(recipe.place, recipe.path, f"there is no file {recipe.value!r} in {context.value!r}")
    if not node.has("inputs"):
        return node.put("inputs", node.graft("inputs", _inputs(name, folder, str(recipe.value))))
    for item in node.children["inputs"].items:
        _check_input(item, folder, source)
    return node


def _check_input(item: Node, folder: Path, source: Source) -> None:
    if not isinstance(item.value, str):
        return
    inside = posixpath.normpath(item.value)
    if inside.startswith("/") or inside.split("/")[0] == "..":
        source.faults.add(item.place, item.path, f"{item.value!r} is outside the build's context")
    elif not exists(folder / inside):
        source.faults.add(item.place, item.path, f"there is no {item.value!r} in the build's context")


def _inputs(name: str, folder: Path, recipe: str) -> list[str]:
    """What belongs to an engine: the recipe, `base` and its own folder; without such a folder, everything."""
    own = next((n for n in (name, name.replace("-", "_")) if n and (folder / n).is_dir()), None)
    if own is None:
        return ["."]
    return [recipe, *(["base"] if exists(folder / "base") else []), own]
