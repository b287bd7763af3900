"""What a container IS, written on it at creation and never changed."""

from __future__ import annotations

import json
from collections.abc import Mapping

PREFIX = "io.nautilus."
FLEET = PREFIX + "fleet"
ENGINE = PREFIX + "engine"
ROLE = PREFIX + "role"  # engine, service, gateway, lock, helper
SLOT = PREFIX + "slot"
FINGERPRINT = PREFIX + "fingerprint"
ASPECTS = PREFIX + "aspects"
IMAGE = PREFIX + "image-id"
WAVE = PREFIX + "wave"
HASH = PREFIX + "hash"  # of what a secrets volume holds
HOLDER = PREFIX + "holder"
PURPOSE = PREFIX + "purpose"

ENGINE_ROLE = "engine"
SERVICE_ROLE = "service"
DATA_ROLE = "data"  # of volumes that `down` keeps


def replica_labels(
    fleet: str, engine: str, role: str, slot: int, fingerprint: str, aspects: Mapping[str, str], image: str, wave: int
) -> dict[str, str]:
    """Everything that `observe` needs to know of one replica again."""
    return {
        FLEET: fleet,
        ENGINE: engine,
        ROLE: role,
        SLOT: str(slot),
        FINGERPRINT: fingerprint,
        ASPECTS: json.dumps(dict(aspects), sort_keys=True, separators=(",", ":")),
        IMAGE: image,
        WAVE: str(wave),
    }


def aspects_of(labels: Mapping[str, str]) -> dict[str, str]:
    """The hashes of what the replica was made from."""
    return {str(k): str(v) for k, v in json.loads(labels.get(ASPECTS, "{}")).items()}
