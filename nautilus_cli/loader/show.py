"""A fleet as plain data and as YAML, in the units of the file, with secrets masked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from nautilus_cli.fleet import Fleet, Volume, Workload
from nautilus_cli.loader.origin import origin
from nautilus_cli.loader.writer import commented, dump

if TYPE_CHECKING:
    from nautilus_cli.loader.document import Loaded

MASK = "********"

_SECRET = re.compile(r"PASSWORD|PASSWD|PASSPHRASE|SECRET|CREDENTIAL|(TOKEN|KEY|PASS)S?($|[^A-Z])")
_CREDENTIALS = ("AUTHORIZATION", "COOKIE")
_IN_URL = re.compile(r"(\w://[^/@\s:]*:)[^/@\s]+@")


def resolved(fleet: Fleet) -> dict[str, Any]:
    """The fleet as nautilus reads it, in the file's own form; what looks like a secret is masked."""
    data: dict[str, Any] = fleet.model_dump(mode="json")
    workloads = fleet.workloads
    for kind in ("engines", "services"):
        data[kind] = {name: _workload(workloads[name], shown) for name, shown in data[kind].items()}
    data["secrets"] = {name: _given({**secret, "name": None}) for name, secret in data["secrets"].items()}
    return {key: _given(value) if key == "gateway" else value for key, value in data.items() if value != {}}


def render(fleet: Fleet) -> str:
    """The fleet as YAML, which loads as the same fleet, but for what is masked."""
    return dump(_escaped(resolved(fleet)))


def annotated(loaded: Loaded) -> str:
    """The same YAML with, behind each value, where it comes from."""
    return commented(_escaped(resolved(loaded.fleet)), lambda path: origin(loaded.document, path))


def looks_secret(key: str) -> bool:
    """Whether a variable of this name usually holds what nobody else may read."""
    name = key.upper().replace("-", "_")
    return bool(_SECRET.search(name)) or name.endswith(_CREDENTIALS)


def _workload(workload: Workload, data: dict[str, Any]) -> dict[str, Any]:
    built = data.get("build") is not None
    data = {**data, "name": None, "volumes": [_volume(volume) for volume in workload.volumes]}
    for key in ("environment", "labels"):
        data[key] = _masked(data[key])
    if data.get("bench"):
        data["bench"] = {**data["bench"], "headers": _masked(data["bench"]["headers"])}
    if built:
        data["build"] = {**data["build"], "args": _masked(data["build"]["args"])}
    # An engine that is built is strict unless the file says otherwise, so that what is not strict must be said.
    said = {"security": data["security"], "tmpfs": data["tmpfs"]} if built else {}
    said |= {key: data[key] for key in ("command", "entrypoint") if data[key] is not None}
    return {key: said.get(key, value) for key, value in _given({**data, **dict.fromkeys(said, True)}).items()}


def _given(data: dict[str, Any]) -> dict[str, Any]:
    """Without what is empty or absent, at every depth."""
    inner = {key: _given(value) if isinstance(value, dict) else value for key, value in data.items()}
    return {key: value for key, value in inner.items() if value is not None and value not in ({}, [])}


def _volume(volume: Volume) -> str:
    return f"{volume.source}:{volume.target}{':ro' if volume.read_only else ''}"


def _masked(values: dict[str, str]) -> dict[str, str]:
    return {
        key: MASK if value and looks_secret(key) else _IN_URL.sub(rf"\1{MASK}@", value) for key, value in values.items()
    }


def _escaped(data: Any) -> Any:
    """Every `$` doubled, so that reading it again finds no variables."""
    if isinstance(data, dict):
        return {key: _escaped(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_escaped(item) for item in data]
    return data.replace("$", "$$") if isinstance(data, str) else data
