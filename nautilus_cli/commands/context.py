"""What every command needs: the fleet of the file, names checked against it, and the one path of change."""

from __future__ import annotations

import difflib
import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from nautilus_cli.errors import BuildFailed, ConfigError
from nautilus_cli.plan import Kind, Plan
from nautilus_cli.units import show_duration
from nautilus_cli.view.console import note, say, show, warn

if TYPE_CHECKING:
    from nautilus_cli.fleet import Fleet
    from nautilus_cli.loader import Loaded


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
        from nautilus_cli.loader import load

        loaded = load(self.files, os.environ, self.project_name)
        for warning in loaded.warnings:
            warn(warning)
        if self.runtime is None:
            return loaded
        if self.runtime not in RUNTIMES:
            raise ConfigError(f"--runtime: there is no runtime {self.runtime!r}", f"write {', '.join(RUNTIMES)}")
        return replace(loaded, fleet=loaded.fleet.model_copy(update={"runtime": self.runtime}))


@dataclass(frozen=True)
class Change:
    """How a change is made."""

    purpose: str  # for who finds the fleet locked
    build: bool = True
    parallel: int = 2
    data: bool = False


def pick(fleet: Fleet, names: Iterable[str], known: Collection[str] | None = None) -> list[str]:
    """These names, each of which exists; `ConfigError` says what is near to one that does not."""
    known = fleet.workloads if known is None else known
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, list(known), 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(sorted(known)) or 'none'}"
            raise ConfigError(f"{name!r} is no engine of fleet {fleet.name!r}", hint)
    return list(names)


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
    from nautilus_cli.apply import apply, build
    from nautilus_cli.health import Cancelled
    from nautilus_cli.reconcile import reconcile
    from nautilus_cli.runtimes import open_runtime
    from nautilus_cli.view.progress import progress
    from nautilus_cli.view.tables import status_view

    began = monotonic()
    with open_runtime(fleet) as runtime:

        def plan() -> Plan:
            return reconcile(fleet, runtime.observe(fleet), only, how.data)

        shown = plan()
        announce(shown)
        if not shown:
            return
        runtime.preflight(fleet)
        with runtime.lock(fleet, how.purpose), progress() as emit:
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
        if fleet.workloads:
            snapshot = runtime.observe(fleet)
            show(status_view(fleet, snapshot, reconcile(fleet, snapshot)))
            note(f"done after {show_duration(monotonic() - began)}")
        else:
            note(f"fleet {fleet.name} is down after {show_duration(monotonic() - began)}")
