"""How this host reaches package indexes, as far as it makes sense inside a build container."""

from __future__ import annotations

import configparser
import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

# Builders know these without an ARG, and keep them out of the image's history and the cache's key.
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
_PIP = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST", "PIP_DEFAULT_TIMEOUT")
_BUNDLES = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")


def proxies(environ: Mapping[str, str]) -> dict[str, str]:
    """The proxies that a container can reach too."""
    return {name: value for name in _PROXIES if (value := environ.get(name)) and _usable(name, value)}


def pip_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """Pip's settings of this host, from its environment and its configuration files, that hold in a container."""
    files = _pip_files(environ)
    found = {name: _filtered(name, environ.get(name) or files.get(name, "")) for name in _PIP}
    return {name: value for name, value in found.items() if value}


def ca_bundle(environ: Mapping[str, str]) -> bytes | None:
    """The certificates that this host trusts instead of the usual ones: a company's proxy needs them in a build too."""
    for name in _BUNDLES:
        path = Path(environ.get(name, ""))
        if environ.get(name) and path.is_file():
            return path.read_bytes()
    return None


def has_password(value: str) -> bool:
    """Whether one of these URLs carries a user or a password."""
    return any("@" in urlsplit(url).netloc for url in value.split())


def _pip_files(environ: Mapping[str, str]) -> dict[str, str]:
    """What pip's own files say, later ones first asked; `PIP_CONFIG_FILE=/dev/null` turns all of them off."""
    named = environ.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return {}
    home = Path(environ.get("HOME") or Path.home())
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    places = [Path("/etc/pip.conf"), home / ".pip/pip.conf", config / "pip/pip.conf", *([Path(named)] if named else [])]
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read(places)
    except (configparser.Error, UnicodeDecodeError):
        return {}  # pip itself will complain about it, where it is used
    options = {name: name.removeprefix("PIP_").lower() for name in _PIP}
    options["PIP_DEFAULT_TIMEOUT"] = "timeout"
    return {name: _option(parser, option) for name, option in options.items()}


def _option(parser: configparser.RawConfigParser, option: str) -> str:
    for section in ("install", "global"):
        for spelling in (option.replace("_", "-"), option):
            if value := parser.get(section, spelling, fallback=""):
                return value
    return ""


def _filtered(name: str, value: str) -> str:
    return " ".join(word for word in value.split() if not name.endswith("_URL") or _reachable(word))


def _usable(name: str, value: str) -> bool:
    return name.lower() == "no_proxy" or _reachable(value if "://" in value else f"http://{value}")


def _reachable(url: str) -> bool:
    """Whether a URL can mean the same in a container: not a file, not this host's own loopback address."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return parts.scheme in ("http", "https") and bool(host) and not _loopback(host)


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
