"""`nautilus bench --monolith`: the same work in one process that serves all engines, and in a fleet of them.

Both run on this machine at once, as processes behind one gateway of their own; the one that is not measured is idle.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from nautilus_cli.commands.context import Change, Context, locked
from nautilus_cli.commands.duel import Duel, Stopped, change
from nautilus_cli.errors import INTERRUPTED, ConfigError
from nautilus_cli.view.console import note, show, show_json

if TYPE_CHECKING:
    from nautilus_cli.bench.campaign import Bench
    from nautilus_cli.bench.monolith import Work
    from nautilus_cli.fleet import Engine, Fleet
    from nautilus_cli.runtimes.base import Runtime

PROGRAM = "engines.monolith.comparison"  # in the folder of the file: it prints what is asked


def compare_monolith(context: Context, bench: Bench, json_wanted: bool) -> int:
    """Bring both sides up, measure them in turns, take them down, and tell; the exit code."""
    from nautilus_cli.bench.environment import environment
    from nautilus_cli.runtimes import open_runtime
    from nautilus_cli.view import monolith as view

    declared = context.fleet()
    work = work_of(Path(declared.directory))
    fleet = fleet_of(declared, work)
    with open_runtime(fleet) as runtime, locked(runtime, fleet, Change("bench --monolith")):
        try:
            with standing(fleet, runtime):
                found = Duel(fleet, work, runtime, bench).comparison()
        except Stopped:
            note("interrupted: half of a comparison is none")
            return INTERRUPTED
    if json_wanted:
        show_json(view.data(found, environment(Path(declared.directory))))
    else:
        show(view.view(found))
    return 0


def work_of(folder: Path) -> Work:
    """What the engines' own program says is asked; `ConfigError` where the file's folder has no such program."""
    from nautilus_cli.bench.monolith import Work

    if not folder.joinpath(*PROGRAM.split(".")).with_suffix(".py").exists():
        raise ConfigError(
            f"{folder}: there is no {PROGRAM}, which says what a monolith of these engines is asked",
            "run it in nautilus's own checkout: this compares the engines that it ships",
        )
    run = subprocess.run([sys.executable, "-m", PROGRAM], cwd=folder, capture_output=True, text=True, check=False)
    if run.returncode:
        last = (run.stderr.strip() or "it said nothing").splitlines()[-1]
        raise ConfigError(f"{PROGRAM} failed: {last}", "run `make install`: it needs what the engines need")
    return Work.of(json.loads(run.stdout))


def fleet_of(declared: Fleet, work: Work) -> Fleet:
    """A fleet of its own: each engine once, and the monolith, as processes without limits, bus and dependencies."""
    from nautilus_cli.bench.monolith import MONOLITH
    from nautilus_cli.fleet import Replicas
    from nautilus_cli.runtimes.process.launch import free_port

    def alone(name: str, source: Engine) -> Engine:
        port = free_port(())
        return source.model_copy(
            update={
                "name": name,
                "port": port,
                "container_port": port,
                "build": None,
                "image": None,
                "replicas": Replicas(min=1, max=1),
                "depends_on": (),
                "update": source.update.model_copy(update={"order": "start-first", "monitor": 0.0}),
                "healthcheck": source.healthcheck.model_copy(update={"interval": 1.0}),
            }
        )

    if missing := [name for name in work.engines if name not in declared.engines]:
        raise ConfigError(f"the file declares no {', '.join(missing)}", "use the engines.yaml that nautilus ships")
    engines = {name: alone(name, declared.engines[name]) for name in work.engines}
    engines[MONOLITH] = alone(MONOLITH, declared.engines[work.fast])
    name = f"{declared.name[:31]}-monolith"
    own = {"name": name, "engines": engines, "services": {}, "secrets": {}, "runtime": "process"}
    return declared.model_copy(
        update={**own, "gateway": declared.gateway.model_copy(update={"bind": "127.0.0.1", "metrics_port": None})}
    )


@contextmanager
def standing(fleet: Fleet, runtime: Runtime) -> Iterator[None]:
    """The fleet serves while the block runs, and is gone afterwards."""
    from nautilus_cli.apply import build
    from nautilus_cli.events import silent
    from nautilus_cli.plan import Kind
    from nautilus_cli.reconcile import reconcile

    try:
        plan = reconcile(fleet, runtime.observe(fleet))
        build(plan.of(Kind.BUILD), fleet, runtime, silent, 1)
        change(fleet, runtime)
        note(f"{len(fleet.engines)} processes serve: {', '.join(fleet.engines)}")
        yield
    finally:
        change(fleet.empty(), runtime)
