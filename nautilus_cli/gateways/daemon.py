"""What a Docker daemon says of itself and of its host."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from docker import APIClient


@lru_cache(maxsize=1)  # `watch` opens a client each round
def information(api: APIClient) -> Mapping[str, Any]:
    """The answer of `docker info`, asked once a client: it takes the daemon 10 ms, and what is read of it stays."""
    return dict(api.info())
