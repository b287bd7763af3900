"""Asks once whether somebody is there: one GET, or one connection, by the standard library alone."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Mapping
from contextlib import suppress


def get(host: str, port: int, path: str, timeout: float, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
    """Status and body of a GET; OSError where there is no whole answer, TimeoutError where it takes too long."""
    connection = http.client.HTTPConnection(host, port, timeout=timeout)
    try:
        connection.request("GET", path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except http.client.HTTPException as error:
        raise ConnectionError(type(error).__name__) from error
    finally:
        connection.close()


def accepts(host: str, port: int, timeout: float) -> bool:
    """Whether somebody takes connections there."""
    with suppress(OSError), socket.create_connection((host, port), timeout):
        return True
    return False
