"""Where load may go, and what is sent there: URLs, requests and whom they may reach. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from nautilus_cli.bench.recording import Request, Target
from nautilus_cli.errors import ConfigError
from nautilus_cli.values import TOKEN, URL_PATH

JSON = "application/json"


def target_of(url: str, request: Request) -> Target:
    """Where a URL leads, with its path where the request has none; `ConfigError` says what is wrong with it."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"{url!r} is not a URL: {error}", "write http://127.0.0.1:8100/path") from None
    if parts.scheme == "https":
        raise ConfigError(f"{url!r}: the load generator speaks plain HTTP only", "measure behind what ends TLS")
    if parts.scheme != "http" or not parts.hostname or parts.username is not None:
        raise ConfigError(f"{url!r} is not a URL of a server", "write http://127.0.0.1:8100/path")
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    if path and request.path == "/":
        request = replace(request, path=path_of(path))
    return Target(parts.hostname, port or 80, request)


def url_of(target: Target) -> str:
    """The URL of a target."""
    host = f"[{target.host}]" if ":" in target.host else target.host
    return f"http://{host}:{target.port}{target.request.path}"


def path_of(text: str) -> str:
    """A path that may stand in a request."""
    if not re.fullmatch(URL_PATH, text):
        hint = "write /path?query, without spaces and quotes"
        raise ConfigError(f"{text!r} is not a path of a URL", hint)
    return text


def headers_of(lines: Collection[str]) -> dict[str, str]:
    """`Name: value` of each line."""
    found: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not re.fullmatch(TOKEN, name) or not value.isprintable():
            raise ConfigError(f"--header: {line!r} is not a header", "write --header 'Accept: application/json'")
        found[name] = value.strip()
    return found


def method_of(text: str) -> str:
    """A method that may stand in a request."""
    if not re.fullmatch("[A-Z]{1,20}", text):
        raise ConfigError(f"--method: {text!r} is not an HTTP method", "write GET, POST, PUT, PATCH, DELETE or HEAD")
    return text


def request_of(method: str, path: str, headers: Mapping[str, str], body: bytes) -> Request:
    """A request; a body that looks like JSON is called so unless a header says something else."""
    told = {name.lower() for name in headers}
    kind = {"Content-Type": JSON} if body.lstrip()[:1] in (b"{", b"[") and "content-type" not in told else {}
    return Request(method, path, tuple({**headers, **kind}.items()), body)


def check_allowed(host: str, own: Collection[str], remote: bool) -> None:
    """`ConfigError` where load would leave this machine and the fleet, and nobody said that it may."""
    if remote or host == "localhost" or host in own:
        return
    try:
        if ipaddress.ip_address(host).is_loopback:
            return
    except ValueError:
        pass
    raise ConfigError(
        f"{host} is neither this machine's loopback nor an address of the fleet",
        "load tests of servers that are not yours are attacks; where it is yours, add --allow-remote",
    )
