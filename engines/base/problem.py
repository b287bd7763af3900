"""Errors that the caller can act on, as application/problem+json (RFC 9457)."""

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import msgspec

MEDIA_TYPE = "application/problem+json"
_NAMED_FIELD = re.compile(r"(?:missing required|contains unknown) field `([^`]+)`")


class Problem(Exception):
    """A request that cannot be answered: what is wrong, and which field of the request it is about.

    Of several faults it is the first one, with all of them as `errors`.
    """

    def __init__(
        self, status: HTTPStatus, detail: str, field: str | None = None, errors: Sequence["Problem"] = ()
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.field = field
        self.errors = errors

    @classmethod
    def of(cls, faults: Sequence["Problem"]) -> "Problem":
        """One problem for one or more faults."""
        first = faults[0]
        return cls(first.status, first.detail, first.field, faults if len(faults) > 1 else ())

    def body(self) -> bytes:
        members: dict[str, Any] = {
            "type": "about:blank",
            "title": self.status.phrase,
            "status": self.status.value,
            "detail": self.detail,
        }
        if self.field is not None:
            members["field"] = self.field
        if self.errors:
            members["errors"] = [{"detail": error.detail, "field": error.field} for error in self.errors]
        return msgspec.json.encode(members)


def invalid(detail: str, field: str) -> Problem:
    """A field that is well-formed but cannot be accepted."""
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, field)


def unknown(what: str, name: str, field: str) -> Problem:
    """A name in the address that stands for nothing here."""
    return Problem(HTTPStatus.NOT_FOUND, f"no {what} '{name}'", field)


def from_validation(error: msgspec.ValidationError) -> Problem:
    """Name the field of a msgspec error, whose text ends in "- at `$.positions[0].symbol`"."""
    detail, _, path = str(error).partition(" - at `$")
    parts = [path.rstrip("`").lstrip(".")]
    if named := _NAMED_FIELD.search(detail):
        parts.append(named[1])
    field = ".".join(part for part in parts if part)
    return invalid(detail, field or "body")
