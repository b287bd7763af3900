"""`--verify`: load through the ports of every engine while a change is made, and what became of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import sleep, time
from typing import TYPE_CHECKING, Annotated

import typer

from nautilus_cli.errors import NautilusError, Unhealthy
from nautilus_cli.events import Emit, Event, Phase
from nautilus_cli.probe import accepts
from nautilus_cli.view.console import show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nautilus_cli.bench.campaign import Subject
    from nautilus_cli.bench.proof import Proof
    from nautilus_cli.bench.watching import Watching
    from nautilus_cli.fleet import Fleet
    from nautilus_cli.snapshot import Snapshot

Verify = Annotated[
    bool, typer.Option("--verify", help="Load every engine meanwhile; exits with 1 when a request failed.")
]
VerifyRate = Annotated[
    float | None,
    typer.Option("--verify-rate", min=2, max=10000, help="Requests/s to each engine, instead of 200; verifies."),
]
RATE = 200.0  # requests per second to each engine, unless somebody says
AFTER = 0.5  # seconds for which load goes on after the change
PATIENCE = 1.0  # for a connection to a port


def rate_of(verify: bool, rate: float | None) -> float | None:
    """The rate that is asked for; None where nothing is to be verified."""
    return rate or (RATE if verify else None)


class Verifier:
    """The load of one change."""

    def __init__(self, fleet: Fleet, watching: Watching, rate: float) -> None:
        self.rate = rate
        self._fleet = fleet
        self._watching = watching
        self._late: dict[str, str] = {}  # engines that are not asked from the beginning, and why
        self._subjects: dict[str, Subject] = {}
        self._began = 0.0

    def begin(self, snapshot: Snapshot, emit: Emit) -> Emit:
        """Ask every engine that serves, before anything is changed; the others from their first routed replica on."""
        for subject in subjects_of(self._fleet, snapshot):
            self._subjects[subject.name] = subject
            if serves(subject):
                self._watching.ask(subject)
            elif subject.wanted:
                self._late[subject.name] = "asked since it was ready"
        self._watching.await_answers()
        self._began = time()

        def follow(event: Event) -> None:
            emit(event)
            name = event.subject.partition("/")[0]
            if name in self._late and (event.verb, event.phase) == ("route", Phase.DONE):
                self._watching.ask(self._subjects[name])

        return follow

    def end(self) -> Sequence[Proof]:
        """What became of it all, by engine."""
        from nautilus_cli.bench.proof import Proof, prove

        if not self._began:
            return []
        self._watching.await_answers()
        sleep(AFTER)
        ended, seen = time(), self._watching.end()
        found = []
        for name, subject in self._subjects.items():
            late = self._late.get(name, "")
            if name in seen:
                began = max(self._began, float(min(seen[name].due, default=ended)))
                found.append(prove(name, seen[name], began, ended, subject.slo, late))
            else:
                found.append(Proof(name, note="not verified: it served nothing before, and no replica became ready"))
        return found


def subjects_of(fleet: Fleet, snapshot: Snapshot) -> Sequence[Subject]:
    """The engines of the fleet, each with what `nautilus bench` would ask it."""
    from nautilus_cli.bench.subjects import Asked, engines

    return engines(fleet, snapshot, fleet.engines, Asked())


def serves(subject: Subject) -> bool:
    """Whether a replica is ready and the port takes connections; and nobody wants that to end."""
    return bool(subject.ready and subject.wanted) and accepts(subject.target.host, subject.target.port, PATIENCE)


@contextmanager
def verifying(fleet: Fleet, rate: float | None) -> Iterator[Verifier | None]:
    """Verify what the block does, and show it, however that ends; `Unhealthy` if it succeeds and requests failed."""
    if rate is None:
        yield None
        return
    from nautilus_cli.bench import apart
    from nautilus_cli.bench.watching import watching

    with watching(rate, apart.run) as load:
        verifier = Verifier(fleet, load, rate)
        try:
            yield verifier
        except NautilusError:
            with suppress(NautilusError):  # what went wrong with the change is what counts
                tell(verifier.end(), rate)
            raise
        proofs = verifier.end()
        tell(proofs, rate)
    if failed := {proof.engine: proof.failed for proof in proofs if proof.failed}:
        words = ", ".join(f"{count:,} of {name}" for name, count in failed.items())
        hint = "the change itself is complete; where the machine is too busy for this load, lower --verify-rate"
        raise Unhealthy(f"requests failed meanwhile: {words}", hint)


def tell(proofs: Sequence[Proof], rate: float) -> None:
    """What became of the requests, where anything was asked."""
    from nautilus_cli.view.proof import proof_view

    if proofs:
        show(proof_view(proofs, rate))
