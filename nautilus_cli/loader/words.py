"""What pydantic has to say about a value, in words for people."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from nautilus_cli.loader.faults import Faults, Path
from nautilus_cli.loader.tree import Node, plain
from nautilus_cli.units import shown

M = TypeVar("M", bound=BaseModel)


def validated(model: type[M], root: Node, faults: Faults) -> M | None:
    """The model of this tree; None, with every fault told, where it is not one."""
    try:
        return model.model_validate(plain(root))
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            node, rest = _find(root, detail["loc"])
            # container_port is port where it is not given, so a missing one was told already
            if rest != ("container_port",) and not faults.known(node.place, (*node.path, *rest)):
                faults.add(node.place, (*node.path, *rest), wording(detail))
        return None


def wording(detail: Any) -> str:
    """One of pydantic's faults as a sentence without its subject."""
    context: dict[str, Any] = detail.get("ctx", {})
    value = shown(detail["input"])
    match detail["type"]:
        case "missing":
            return "is required"
        case "value_error":
            return str(context["error"])
        case "bool_type" | "bool_parsing":
            return f"must be true or false, not {value}"
        case "string_type":
            quotes = f"; put quotes around it: '{value}'" if isinstance(detail["input"], (bool, int, float)) else ""
            return f"must be text, not {value}{quotes}"
        case "string_too_short":
            return "must not be empty"
        case "literal_error":
            return _choice(detail["input"], str(context["expected"]))
        case "dict_type" | "model_type" | "model_attributes_type":
            return f"must be a mapping (key: value), not {value}"
        case "tuple_type" | "list_type":
            return f"must be a list, not {value}"
        case "greater_than_equal":
            return f"must be at least {context['ge']}, not {value}"
        case "less_than_equal":
            return f"must be at most {context['le']}, not {value}"
        case _:
            return f"{value} is not possible: {str(detail['msg'])[:1].lower()}{str(detail['msg'])[1:]}"


def _choice(value: object, expected: str) -> str:
    """`expected` reads 'a', 'b' or 'c'."""
    allowed = [word for word in expected.replace(" or ", ", ").replace("'", "").split(", ") if word]
    listed = " or ".join(filter(None, [", ".join(allowed[:-1]), allowed[-1]]))
    return f"{shown(value)} is not allowed; write {listed}"


def _find(root: Node, loc: Path) -> tuple[Node, Path]:
    """The deepest node on the way to a fault, and what is left of the way."""
    node = root
    for index, part in enumerate(loc):
        children = node.children
        if isinstance(part, int) and part < len(node.items):
            node = node.items[part]
        elif part in children:
            node = children[str(part)]
        else:
            return node, tuple(loc[index:])
    return node, ()
