"""What an engine was: the specification that is kept of each version, and the engine that it describes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from nautilus_cli.errors import ConfigError
from nautilus_cli.fleet import Engine, Fleet, fingerprint
from nautilus_cli.loader.show import looks_secret
from nautilus_cli.snapshot import Image, Snapshot, Version

# What makes a replica another one. Counts, limits, ports and how to update are not a version's: they stay as they are.
VERSIONED = (
    "command", "entrypoint", "environment", "secrets", "volumes", "tmpfs", "init", "ulimits", "labels", "stop_signal",
    "restart", "security", "depends_on", "container_port", "image", "build", "process",
)  # fmt: skip
RING = 10  # versions of an engine on record
_CREDENTIALS = re.compile(r"\w://[^/@\s]*:[^/@\s]+@")


def specification(engine: Engine) -> dict[str, Any]:
    """All of an engine that may be kept: variables that usually hold secrets are named, without their values."""
    plain = {key: value for key, value in engine.environment.items() if not private(key, value)}
    return {**engine.model_dump(mode="json"), "environment": plain, "private": sorted({*engine.environment} - {*plain})}


def private(key: str, value: str) -> bool:
    """Whether a variable's value must not be kept."""
    return looks_secret(key) or bool(_CREDENTIALS.search(value))


def as_it_was(version: Version, fleet: Fleet) -> Engine:
    """The whole engine of a version; what is not kept of it, values of secrets, is as the file has it now."""
    spec = dict(version.spec)
    today = fleet.engines[version.engine].environment if version.engine in fleet.engines else {}
    hidden = spec.pop("private")
    missing = [f"variable {key}" for key in hidden if key not in today]
    missing += [f"secret {name}" for name in spec["secrets"] if name not in fleet.secrets]
    missing += [f"{name} in depends_on" for name in spec["depends_on"] if name not in fleet.workloads]
    if missing:
        raise ConfigError(
            f"{version.engine}: version {version.serial} needs what the file does not have now: {', '.join(missing)}",
            "put it back into the file, or choose another version of `nautilus history`",
        )
    environment = {**spec["environment"], **{key: today[key] for key in hidden}}
    return Engine.model_validate({**spec, "environment": environment, "build": None, "image": version.image})


def versioned(engine: Engine, was: Engine) -> Engine:
    """The engine of now as the version of then: only what makes a replica another one goes back.

    Its hooks do not run again: what a migration of the newer version did, an older one cannot know.
    """
    check = engine.healthcheck.model_copy(update={"path": was.healthcheck.path})
    back = {key: getattr(was, key) for key in VERSIONED}
    return engine.model_copy(update={**back, "healthcheck": check, "hooks": None})


def before(snapshot: Snapshot, engine: str) -> Version | None:
    """The version to go back to: the newest one on record that is not what runs."""
    running = {replica.fingerprint for replica in snapshot.of(engine) if replica.state.alive}
    return next((v for v in newest_first(snapshot.versions, engine) if {v.fingerprint} != running), None)


def newest_first(versions: Iterable[Version], engine: str) -> list[Version]:
    """The versions of one engine."""
    return sorted((v for v in versions if v.engine == engine), key=lambda v: -v.serial)


def last_changed(versions: Iterable[Version]) -> list[str]:
    """The engines that the latest change made another version of."""
    newest: dict[str, Version] = {}
    for version in sorted(versions, key=lambda v: v.serial):
        newest[version.engine] = version
    latest = max((version.at for version in newest.values()), default="")
    return sorted(name for name, version in newest.items() if version.at == latest)


def following(
    kept: Sequence[Version], engine: Engine, image: Image, parts: Mapping[str, str], change: tuple[str, str, str]
) -> Version | None:
    """What to put on record when an engine serves, after those that are kept, newest first; None for nothing new.

    `change` is its purpose, its moment and who makes it. The same version with other limits, counts or checks keeps its
    number.
    """
    last, mark, spec = kept[0] if kept else None, fingerprint(parts), specification(engine)
    if last and last.fingerprint == mark:
        version = replace(last, spec=spec)
        return None if version == last else version
    (purpose, at, who), serial = change, last.serial + 1 if last else 1
    why = cause(purpose, parts, last)
    return Version(engine.name, serial, at, who, why, mark, image.reference, image.id or "", parts, spec)


def cause(purpose: str, aspects: Mapping[str, str], last: Version | None) -> str:
    """Why there is a new version, in words: the command, and what changed since the last."""
    if last is None:
        return f"{purpose}: first version"
    changed = sorted(aspect for aspect in aspects if aspects[aspect] != last.aspects.get(aspect))
    return f"{purpose}: {', '.join(changed)} changed"
