"""Sending data to whichever engine of the fleet takes it; the replicas share it among themselves."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from nautilus_cli.data.trading import Batch, refused
from nautilus_cli.errors import ConfigError, NautilusError, Unhealthy
from nautilus_cli.fleet import Fleet

TIMEOUT = 30.0
PAGE = 5_000  # prices in one request
UNKNOWN = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)  # of an engine that has no such address


@dataclass(frozen=True, slots=True)
class Sent:
    """Who took it, and whether it is stored already: if not, it is kept there until Redis is back."""

    engine: str
    stored: bool


def send_portfolio(fleet: Fleet, names: Sequence[str], id_: str, batch: Batch, more: dict[str, Any]) -> Sent:
    """Hold this portfolio in the fleet; `ConfigError` names the lines that an engine refuses."""
    path = f"/portfolios/{urllib.parse.quote(id_, safe='')}"
    return _send(fleet, names, path, {"positions": batch.items, **more}, r"positions\[(\d+)\]", batch, 0)


def send_prices(fleet: Fleet, names: Sequence[str], batch: Batch) -> Sent:
    """Add these prices to the fleet, page by page."""
    sent = [
        _send(fleet, names, "/prices", batch.items[start : start + PAGE], r"\[(\d+)\]", batch, start)
        for start in range(0, len(batch.items), PAGE)
    ]
    return Sent(sent[-1].engine, all(one.stored for one in sent))


def _send(fleet: Fleet, names: Sequence[str], path: str, body: Any, place: str, batch: Batch, offset: int) -> Sent:
    for name in names:
        status, answer = _put(f"{address(fleet, name)}{path}", body, name)
        if status in UNKNOWN:
            continue
        if status in (HTTPStatus.OK, HTTPStatus.ACCEPTED):
            return Sent(name, status == HTTPStatus.OK)
        errors = [(str(one.get("field", "")), str(one.get("detail", ""))) for one in answer.get("errors") or [answer]]
        places = [(re.match(place, field), detail) for field, detail in errors]
        if faults := [(batch.lines[offset + int(found[1])], detail) for found, detail in places if found]:
            raise refused(batch.path, faults, before=offset)
        field, detail = errors[0]
        raise NautilusError(f"{name} refuses it with {status}: {field + ': ' if field else ''}{detail}")
    raise ConfigError(f"no engine takes PUT {path}: {', '.join(names)}", "name one that does with --engine")


def address(fleet: Fleet, name: str) -> str:
    """The URL of an engine's port."""
    bind = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(str(fleet.gateway.bind), str(fleet.gateway.bind))
    host = f"[{bind}]" if ":" in bind else bind
    return f"http://{host}:{fleet.engines[name].port}"


def _put(url: str, body: Any, name: str) -> tuple[int, dict[str, Any]]:
    head = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), head, method="PUT")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a fleet is never behind a proxy
    try:
        with opener.open(request, timeout=TIMEOUT) as answer:
            return answer.status, _document(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, _document(error.read())
    except (urllib.error.URLError, OSError) as error:
        reason = getattr(error, "reason", error)
        raise Unhealthy(f"{name} does not answer at {url}: {reason}", "`nautilus status` shows what runs") from None


def _document(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
