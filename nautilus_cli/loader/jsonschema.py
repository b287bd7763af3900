"""The JSON Schema of the file as people write it, for editors: short forms, variables and `x-` keys included."""

from __future__ import annotations

from typing import Any

from nautilus_cli.fleet import Fleet
from nautilus_cli.units import DURATION, write_duration
from nautilus_cli.values import NAME, SECRET

Schema = dict[str, Any]

_VARIABLE: Schema = {"$ref": "#/$defs/Variable"}
_SCALAR = ["string", "number", "boolean", "null"]
_WORDS: Schema = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": _SCALAR[:3]}}]}
_PAIRS: Schema = {
    "anyOf": [
        {"type": "object", "additionalProperties": {"type": _SCALAR}},
        {"type": "array", "items": {"type": "string"}},
    ]
}
_SHORT: dict[str, Schema] = {
    "command": _WORDS,
    "entrypoint": _WORDS,
    "pre_deploy": _WORDS,
    "tmpfs": _WORDS,
    "inputs": _WORDS,
    "env_file": {**_WORDS, "description": "Files of KEY=value lines; what `environment` says wins."},
    "environment": _PAIRS,
    "labels": _PAIRS,
    "headers": _PAIRS,
    "args": _PAIRS,
    "volumes": {"type": "array", "items": {"type": "string", "pattern": "^[^:]+:[^:]+(:(ro|rw))?$|\\$"}},
    "replicas": {"anyOf": [{"type": "integer", "minimum": 1, "maximum": 200}, {"$ref": "#/$defs/Replicas"}, _VARIABLE]},
    "build": {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/Build"}]},
    "ulimits": {
        "type": "object",
        "additionalProperties": {"anyOf": [{"type": "integer", "minimum": -1}, {"$ref": "#/$defs/Ulimit"}, _VARIABLE]},
    },
}
_CHOSEN = ("name", "count", "replaced")  # not from the file
_HIDDEN = {"Engine": _CHOSEN, "Service": _CHOSEN, "Secret": ("name",), "Fleet": ("directory",)}
_ONE_OF = {"Secret": [{"required": ["file"]}, {"required": ["environment"]}]}
_REQUIRED = {
    "Engine": ["port"],
    "Fleet": ["engines"],
    "Hooks": ["pre_deploy"],
    "Service": ["image"],
    "Ulimit": ["soft", "hard"],
}


def schema() -> Schema:
    """JSON Schema (draft 2020-12) of engines.yaml."""
    raw = Fleet.model_json_schema()
    defs: dict[str, Schema] = {name: _object(name, part) for name, part in raw.pop("$defs").items() if name != "Volume"}
    root = _object("Fleet", raw)
    engine = defs["Engine"]
    properties = {key: value for key, value in engine["properties"].items() if key not in ("port", "image")}
    defs["Defaults"] = {**engine, "properties": properties, "description": "Merged under every engine."}
    del defs["Defaults"]["required"]
    defs["Variable"] = {"type": "string", "pattern": "\\$", "description": "${VAR}, ${VAR:-default}, ${VAR:?message}"}
    for key in ("engines", "services", "secrets"):
        names = f"^{SECRET if key == 'secrets' else NAME}$"
        root["properties"][key]["propertyNames"] = {"pattern": names}
    root["properties"]["engines"]["minProperties"] = 1
    root["properties"]["defaults"] = {"$ref": "#/$defs/Defaults", "description": "Merged under every engine."}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "engines.yaml", **root, "$defs": defs}


def _object(name: str, raw: Schema) -> Schema:
    """One mapping of the file: its keys, with `x-` keys allowed and all others refused."""
    hidden = _HIDDEN.get(name, ())
    properties = {key: _property(name, key, value) for key, value in raw["properties"].items() if key not in hidden}
    if name in ("Engine", "Service"):
        properties["env_file"] = _SHORT["env_file"]
    result: Schema = {
        "type": "object",
        "description": " ".join(raw.get("description", "").split()),
        "properties": properties,
        "patternProperties": {"^x-": True},
        "additionalProperties": False,
    }
    if name in _ONE_OF:
        result["oneOf"] = _ONE_OF[name]
    return {**result, "required": _REQUIRED[name]} if name in _REQUIRED else result


def _property(model: str, key: str, raw: Schema) -> Schema:
    """One key: its meaning and default, and its value or a variable."""
    kept: Schema = {"description": raw["description"]} if "description" in raw else {}
    default = raw.get("default")
    if default not in (None, {}, []) and not isinstance(default, dict):
        kept["default"] = write_duration(default) if raw.get("pattern") == f"^({DURATION})$" else default
    if key in _SHORT and model != "Secret":
        return {**_SHORT[key], **kept}
    return {**_value({k: v for k, v in raw.items() if k not in ("title", "default", "description")}), **kept}


def _value(raw: Schema) -> Schema:
    if "anyOf" in raw:
        return {"anyOf": [*(part for part in raw["anyOf"]), _VARIABLE]}
    if raw.get("type") in ("object", "array") or "$ref" in raw:
        return raw
    return {"anyOf": [raw, _VARIABLE]}
