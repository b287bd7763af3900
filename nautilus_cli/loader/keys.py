"""Which keys a file may hold: unknown ones, and those whose feature does not exist yet, are faults."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel

from nautilus_cli.fleet import Engine, Fleet, Model, Secret, Service
from nautilus_cli.loader.faults import Faults, meant
from nautilus_cli.loader.tree import Node

# What later versions bring: delete a line when its feature exists. `key=value` refuses one value only.
NOT_YET = (
    "runtime=swarm",
    "engine.autoscale",
)

# What people bring along from Compose and Kubernetes, and where it is here.
ELSEWHERE = {
    "cap_add": "security.cap_add",
    "cap_drop": "security.cap_drop",
    "cpus": "resources.cpus",
    "deploy": "replicas, resources and update, directly under the engine",
    "env": "environment",
    "max_replicas": "replicas.max",
    "mem_limit": "resources.memory",
    "memory": "resources.memory",
    "min_replicas": "replicas.min",
    "pids_limit": "security.pids",
    "ports": "port",
    "read_only": "security.read_only",
    "scale": "replicas",
    "user": "security.user",
}

NOT_IN_DEFAULTS = ("port", "image")

_HIDDEN: dict[type[BaseModel], set[str]] = {
    Fleet: {"directory"},
    Engine: {"name", "count", "replaced"},
    Service: {"name", "replaced"},
    Secret: {"name"},
}
_FURTHER: dict[type[BaseModel], dict[str, Any]] = {
    Fleet: {"defaults": Engine},
    Engine: {"env_file": str},
    Service: {"env_file": str},
}


def fields(model: type[BaseModel]) -> dict[str, Any]:
    """The annotation of every key that a mapping of this model may hold in the file."""
    hidden = _HIDDEN.get(model, set())
    found = {name: field.annotation for name, field in model.model_fields.items() if name not in hidden}
    return {**found, **_FURTHER.get(model, {})}


def checked(node: Node, model: type[BaseModel], where: str, faults: Faults) -> Node:
    """The same mapping without what is unknown or not supported yet, each of which is a fault."""
    if not isinstance(node.value, dict):
        return node
    known = fields(model)
    kept: dict[str, Node] = {}
    for key, child in node.value.items():
        place = f"{where}.{key}".removeprefix(".")
        if place in NOT_YET or f"{place}={child.text}" in NOT_YET:
            what = f"{child.text!r} is" if key in known else "is"
            faults.add(child.place, child.path, f"{what} not supported yet")
        elif node.path == ("defaults",) and key in NOT_IN_DEFAULTS:
            faults.add(child.place, child.path, "belongs to one engine, not to the defaults of all")
        elif key not in known:
            faults.add(child.place, child.path, f"unknown key{_hint(key, place, known)}")
        else:
            kept[key] = _below(child, known[key], place, faults)
    return replace(node, value=kept)


def _below(node: Node, annotation: Any, where: str, faults: Faults) -> Node:
    models = list(_models(annotation))
    if not models or not isinstance(node.value, dict):
        return node
    model, named = models[0]
    if not named:
        return checked(node, model, "engine" if where == "defaults" else where, faults)
    kind = {"engines": "engine", "services": "service", "secrets": "secret"}.get(where, where)
    return replace(node, value={name: checked(child, model, kind, faults) for name, child in node.value.items()})


def _models(annotation: Any) -> Iterator[tuple[type[Model], bool]]:
    """The model in an annotation, and whether it is the value of a mapping with free names."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        yield annotation, False
    elif get_origin(annotation) is dict:
        yield from ((model, True) for model, _ in _models(get_args(annotation)[1]))
    elif get_origin(annotation) is Annotated:
        yield from _models(get_args(annotation)[0])
    elif get_origin(annotation) is not tuple:
        for part in get_args(annotation):
            yield from _models(part)


def _hint(key: str, where: str, known: dict[str, Any]) -> str:
    if where.startswith(("engine.", "service.")) and where.count(".") == 1 and key in ELSEWHERE:
        return f"; here it is {ELSEWHERE[key]}"
    return meant(key, known)
