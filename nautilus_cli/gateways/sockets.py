"""Which ports and addresses this machine itself has to give."""

from __future__ import annotations

import errno
import socket

from nautilus_cli.errors import ConfigError


def bound(host: str, port: int) -> bool:
    """Whether some program of this machine holds this port; one that may not be tried counts as free."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that just ended are no holder
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False


def has_ipv6() -> bool:
    """Whether this machine has an IPv6 loopback address."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def clash(held: dict[int, str]) -> ConfigError:
    """The error that says who holds which port."""
    words = "; ".join(f"port {port} is held by {who}" for port, who in sorted(held.items()))
    return ConfigError(words, "choose another port in engines.yaml, or stop what holds it")
