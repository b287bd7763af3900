"""What every command needs: the fleet of the file, names checked against it, and the one path of change."""

from __future__ import annotations

import difflib
import os
import signal
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Annotated

import typer

from nautilus_cli.errors import BuildFailed, Busy, ConfigError
from nautilus_cli.plan import Kind, Plan
from nautilus_cli.units import parse_duration, show_duration
from nautilus_cli.view.console import expect, note, say, show, warn

if TYPE_CHECKING:
    from nautilus_cli.events import Emit
    from nautilus_cli.fleet import Fleet
    from nautilus_cli.loader import Loaded
    from nautilus_cli.runtimes.base import Runtime

Wait = Annotated[
    str | None, typer.Option("--wait", metavar="DURATION", help="Wait so long while another change is running: 5m.")
]
LOOK = 0.2  # seconds between two tries to take a lock that somebody holds


RUNTIMES = ("auto", "docker", "process")


@dataclass(frozen=True)
class Context:
    """The global options, and what follows from them."""

    files: tuple[Path, ...]
    project_name: str | None
    runtime: str | None = None

    def fleet(self) -> Fleet:
        """The fleet that the files declare; their warnings are shown."""
        return self.loaded().fleet

    def loaded(self) -> Loaded:
        """The same fleet, with where its values come from."""
        loaded = self.read()
        for warning in loaded.warnings:
            warn(warning)
        if self.runtime is None:
            return loaded
        if self.runtime not in RUNTIMES:
            raise ConfigError(f"--runtime: there is no runtime {self.runtime!r}", f"write {', '.join(RUNTIMES)}")
        return replace(loaded, fleet=loaded.fleet.model_copy(update={"runtime": self.runtime}))

    def read(self) -> Loaded:
        """The same without a word about warnings."""
        from nautilus_cli.loader import load

        return load(self.files, os.environ, self.project_name)


@dataclass(frozen=True)
class Change:
    """How a change is made."""

    purpose: str  # for who finds the fleet locked
    build: bool = True
    parallel: int = 2
    data: bool = False
    declared: Fleet | None = None  # what the file says, where less is wanted
    wait: float = 0.0  # seconds for another change to end
    verify: float | None = None  # requests per second to each engine meanwhile


def pick(fleet: Fleet, names: Iterable[str], known: Collection[str] | None = None) -> list[str]:
    """These names, each of which exists; `ConfigError` says what is near to one that does not."""
    known = fleet.workloads if known is None else known
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, list(known), 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(sorted(known)) or 'none'}"
            raise ConfigError(f"{name!r} is no engine of fleet {fleet.name!r}", hint)
    return list(names)


def duration(option: str, text: str) -> float:
    """The duration that an option says."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise ConfigError(f"{option}: {error}") from None


def patience(wait: str | None) -> float:
    """The seconds of `--wait`."""
    return 0.0 if wait is None else duration("--wait", wait)


@contextmanager
def on_signal(call: Callable[[], None]) -> Iterator[None]:
    """While the block runs, Ctrl-C and SIGTERM make this call and nothing else."""
    before = {number: signal.signal(number, lambda *_: call()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def locked(runtime: Runtime, fleet: Fleet, how: Change) -> Iterator[None]:
    """The fleet is this command's alone; who holds it is waited for as long as asked, then `Busy` names them."""
    end, told = monotonic() + how.wait, False
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(runtime.lock(fleet, how.purpose))
                break
            except Busy as busy:
                if monotonic() >= end:
                    raise
                if not told:
                    note(f"{busy.message}; waiting at most {show_duration(how.wait)}")
                told = True
            sleep(LOOK)
        yield


def preview(fleet: Fleet, only: Collection[str] | None, data: bool = False) -> Plan:
    """Show the plan; nothing else happens."""
    from nautilus_cli.reconcile import reconcile
    from nautilus_cli.runtimes import open_runtime

    with open_runtime(fleet) as runtime:
        plan = reconcile(fleet, runtime.observe(fleet), only, data)
    announce(plan)
    return plan


def announce(plan: Plan) -> None:
    """Show a plan and its warnings."""
    from nautilus_cli.view.tables import plan_text

    for warning in plan.warnings:
        warn(warning)
    say(plan_text(plan) if plan else "nothing to do: everything is as the file says")


def change(fleet: Fleet, only: Collection[str] | None, how: Change) -> None:
    """Make reality match the fleet: observe, plan, show, lock, observe again, build, apply, observe, show."""
    from nautilus_cli.commands.verifying import verifying
    from nautilus_cli.reconcile import reconcile
    from nautilus_cli.runtimes import open_runtime
    from nautilus_cli.view.progress import progress
    from nautilus_cli.view.tables import status_view

    began = monotonic()
    with open_runtime(fleet, how.declared) as runtime:

        def plan() -> Plan:
            return reconcile(fleet, runtime.observe(fleet), only, how.data)

        shown = plan()
        announce(shown)
        if not shown:
            return
        expect()
        runtime.preflight(fleet)
        with verifying(fleet, how.verify) as verifier:
            with locked(runtime, fleet, how), progress() as emit:
                make(plan, fleet, runtime, verifier.begin(runtime.observe(fleet), emit) if verifier else emit, how)
            if fleet.workloads:
                snapshot = runtime.observe(fleet)
                show(status_view(fleet, snapshot, reconcile(fleet, snapshot)))
                note(f"done after {show_duration(monotonic() - began)}")
            else:
                note(f"fleet {fleet.name} is down after {show_duration(monotonic() - began)}")


def make(plan: Callable[[], Plan], fleet: Fleet, runtime: Runtime, emit: Emit, how: Change) -> None:
    """Do what the plan of now says, after the images that it lacks are built."""
    from nautilus_cli.apply import apply, build
    from nautilus_cli.health import Cancelled

    try:
        now = plan()
        if images := now.of(Kind.BUILD):
            if not how.build:
                raise BuildFailed(f"no image of {', '.join(a.subject for a in images)}", "run `nautilus build`")
            build(images, fleet, runtime, emit, how.parallel)
            now = plan()
        apply(now, fleet, runtime, emit, how.data)
    except Cancelled:
        raise KeyboardInterrupt from None
