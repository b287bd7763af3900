"""Prints docs/file.md: the reference of engines.yaml, made from its schema and from the annotated example."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nautilus_cli.loader import schema

EXAMPLE = Path(__file__).parent.parent / "engines.yaml"
HEAD = """# The file

Made by `scripts/make_reference.py` from `nautilus config --schema` and from the annotated example, which follows below.
Every value may be, or contain, `${VARIABLE}`. Keys that begin with `x-` are yours.
"""


def reference() -> str:
    """The whole page."""
    found = schema()
    parts = [HEAD, *section("The file itself", found)]
    for name, part in found["$defs"].items():
        if "properties" in part:
            parts += section(name, part)
    return "\n".join([*parts, "## The annotated example\n", "```yaml", EXAMPLE.read_text().rstrip(), "```", ""])


def section(title: str, part: dict[str, Any]) -> Iterator[str]:
    """One table of keys."""
    yield f"## {title}\n\n{part.get('description', '')}\n"
    yield "| key | value | default | meaning |\n|---|---|---|---|"
    required = part.get("required", [])
    for key, declared in part["properties"].items():
        default = "required" if key in required else shown(declared.get("default", ""))
        yield f"| `{key}` | {kind(declared)} | {default} | {declared.get('description', '').replace('<', '&lt;')} |"
    yield ""


def shown(default: object) -> str:
    """A default as it would stand in the file; nothing where it says nothing."""
    if default in ("", None, [], {}):
        return ""
    return (
        f"`{str(default).lower() if isinstance(default, bool) else default}`" if not isinstance(default, dict) else ""
    )


def kind(declared: dict[str, Any]) -> str:
    """What may stand there, in a word or two."""
    options = [one for one in declared.get("anyOf", [declared]) if one.get("$ref") != "#/$defs/Variable"]
    return " or ".join(dict.fromkeys(word(one) for one in options))


def word(option: dict[str, Any]) -> str:
    """One of the forms."""
    if "$ref" in option:
        name = option["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "enum" in option:
        return ", ".join(f"`{value}`" for value in option["enum"])
    if option.get("type") == "array":
        return f"list of {word(option.get('items', {}))}" if option.get("items") else "list"
    if isinstance(option.get("type"), list):
        return " or ".join(option["type"])
    inner = option.get("additionalProperties")
    if option.get("type") == "object" and isinstance(inner, dict) and "$ref" in inner:
        return f"mapping of names to {word(inner)}"
    return {"object": "mapping", "integer": "whole number"}.get(option.get("type", ""), str(option.get("type", "any")))


if __name__ == "__main__":
    sys.stdout.write(reference())
