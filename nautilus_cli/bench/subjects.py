"""What is to be measured: engines of the fleet as they run now, or any URL. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from nautilus_cli.bench.address import check_allowed, headers_of, method_of, path_of, request_of, target_of
from nautilus_cli.bench.campaign import Subject
from nautilus_cli.bench.recording import Request, Target
from nautilus_cli.fleet import Engine, Fleet
from nautilus_cli.reconcile import wanted
from nautilus_cli.snapshot import Image, Snapshot, State

GATEWAY = "gateway"
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # where to reach what is bound to every address


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says of the request, over what the file says."""

    path: str | None = None
    method: str | None = None
    headers: tuple[str, ...] = ()
    body: bytes | None = None
    target: str = GATEWAY
    remote: bool = False

    def over(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Request:
        """The request: what is asked, else these."""
        sent = body if self.body is None else self.body
        verb = self.method or ("POST" if self.body and method == "GET" else method)
        chosen = path_of(self.path) if self.path else path
        return request_of(method_of(verb), chosen, {**headers, **headers_of(self.headers)}, sent)


def url(text: str, asked: Asked) -> Subject:
    """Any URL."""
    target = target_of(text, asked.over("GET", "/", {}, b""))
    check_allowed(target.host, (), asked.remote)
    return Subject(target.host if ":" in target.host else f"{target.host}:{target.port}", target)


def engines(fleet: Fleet, snapshot: Snapshot, names: Collection[str], asked: Asked) -> list[Subject]:
    """These engines, at the gateway or where the command line says."""
    own = {fleet.gateway.bind, *(replica.address for replica in snapshot.replicas)}
    found = []
    for name in names:
        engine = fleet.engines[name]
        target = target_at(fleet, engine, asked)
        check_allowed(target.host, own, asked.remote)
        replicas = snapshot.of(name)
        ready = sum(replica.state is State.READY and replica.routed for replica in replicas)
        images = {replica.image for replica in replicas if replica.state.alive}
        found.append(
            Subject(
                name,
                target,
                engine.slo,
                engine.bench.rate,
                ready,
                wanted(engine, snapshot.counts),
                tuple(identified(reference, snapshot.images.get(name)) for reference in sorted(images)),
            )
        )
    return found


def target_at(fleet: Fleet, engine: Engine, asked: Asked) -> Target:
    """Where an engine is asked, and what."""
    told = engine.bench
    body = (told.body or "").encode()
    request = asked.over(told.method, told.path or engine.healthcheck.path, dict(told.headers), body)
    if asked.target != GATEWAY:
        return replace(target_of(asked.target, request), request=request)
    return Target(EVERYWHERE.get(fleet.gateway.bind, fleet.gateway.bind), engine.port, request)


def identified(reference: str, image: Image | None) -> Image:
    """An image that runs, with its id where it is the one that should run."""
    return Image(reference, image.id if image and image.reference == reference else None)
