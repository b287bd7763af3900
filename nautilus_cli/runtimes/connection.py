"""Opens the Docker engine that the user means: DOCKER_HOST, else the chosen context, else the local socket."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import requests
from docker.api.client import APIClient
from docker.context import ContextAPI
from docker.errors import APIError, DockerException
from docker.utils import kwargs_from_env

from nautilus_cli.errors import RuntimeUnavailable
from nautilus_cli.gateways.refusal import full, refused

POOL = 32  # connections kept open: calls run side by side


def connect() -> APIClient:
    """An open client; `RuntimeUnavailable` when no engine answers."""
    try:
        api = APIClient(version="auto", num_pools=POOL, timeout=60, **settings())
    except (DockerException, requests.exceptions.RequestException) as error:
        raise RuntimeUnavailable(
            f"no Docker engine answers: {reason(error)}",
            "start Docker (on Debian: scripts/docker-up), or set DOCKER_HOST or `docker context use`",
        ) from error
    return api


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """What may happen to any call: an engine that goes away is `RuntimeUnavailable`, a full disk `RolloutFailed`."""
    try:
        yield
    except APIError as error:
        if full(str(error.explanation or error)):
            raise refused("Docker", error) from error
        raise
    except requests.exceptions.ConnectionError as error:
        raise RuntimeUnavailable(
            f"the connection to Docker broke: {reason(error)}", "is the daemon running? `docker info` tells"
        ) from error


def settings() -> dict[str, Any]:
    """Address and certificates of the engine."""
    if os.environ.get("DOCKER_HOST"):
        return dict(kwargs_from_env())
    context = ContextAPI.get_current_context()
    if context.name == "default":
        return dict(kwargs_from_env())
    tls = {"tls": context.TLSConfig} if context.TLSConfig else {}
    return {"base_url": context.Host, **tls}


def reason(error: Exception) -> str:
    """The innermost cause in one line."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return str(error).splitlines()[0] if str(error) else type(error).__name__
