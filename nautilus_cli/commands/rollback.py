"""`nautilus rollback`: back to the version before, on purpose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from nautilus_cli import complete
from nautilus_cli.commands.context import Change, Context, Wait, change, patience, pick, preview
from nautilus_cli.commands.verifying import Verify, VerifyRate, rate_of
from nautilus_cli.errors import ConfigError
from nautilus_cli.view.console import note

if TYPE_CHECKING:
    from nautilus_cli.fleet import Fleet
    from nautilus_cli.runtimes.base import Runtime
    from nautilus_cli.snapshot import Snapshot, Version


def rollback(
    ctx: typer.Context,
    engines: Annotated[
        list[str] | None,
        typer.Argument(
            help="Only these; else those that the latest change made another version of.",
            show_default=False,
            autocompletion=complete.engines,
        ),
    ] = None,
    to: Annotated[int | None, typer.Option(min=1, help="Of one ENGINE: this version of `nautilus history`.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and do nothing.")] = False,
    wait: Wait = None,
    verify: Verify = False,
    verify_rate: VerifyRate = None,
) -> None:
    """Bring back the version that served before, by the same path as every change: no request is lost.

    What makes a replica another one goes back: image, command, environment, mounts, security. Counts, limits and ports
    stay. The file is not edited: as long as it says the newer version, the next `up` brings that one again.

    \b
    Examples:
      nautilus rollback
      nautilus rollback risk
      nautilus rollback risk --to 3
      nautilus rollback --dry-run
    """
    from nautilus_cli.history import last_changed
    from nautilus_cli.runtimes import open_runtime

    context: Context = ctx.obj
    fleet, seconds = context.fleet(), patience(wait)
    if to is not None and len(engines or ()) != 1:
        raise ConfigError("--to needs exactly one ENGINE", "write `nautilus rollback risk --to 3`")
    with open_runtime(fleet) as runtime:
        snapshot = runtime.observe(fleet)
        names = pick(fleet, engines, fleet.engines) if engines else last_changed(snapshot.versions)
        if not names:
            raise ConfigError(f"fleet {fleet.name!r} has no version on record", "`nautilus up` makes the first")
        versions = [target(snapshot, name, to) for name in pick(fleet, names, fleet.engines)]
        then = gone_back(fleet, versions, runtime)
    only = {version.engine for version in versions}
    if dry_run:
        preview(then, only)
        return
    said = " ".join(f"{version.engine}={version.serial}" for version in versions)
    change(then, only, Change(f"rollback {said}", build=False, wait=seconds, verify=rate_of(verify, verify_rate)))
    note("the file was not edited: `nautilus up` brings what it says")


def target(snapshot: Snapshot, name: str, to: int | None) -> Version:
    """The version of an engine to go back to; `ConfigError` where there is none."""
    from nautilus_cli.history import before, newest_first

    known = newest_first(snapshot.versions, name)
    if to is None:
        if (version := before(snapshot, name)) is None:
            raise ConfigError(f"{name} has no version before the one that runs", f"see `nautilus history {name}`")
        return version
    if (version := next((v for v in known if v.serial == to), None)) is None:
        there = ", ".join(str(v.serial) for v in known) or "none"
        raise ConfigError(f"{name} has no version {to} on record", f"there are: {there}")
    return version


def gone_back(fleet: Fleet, versions: list[Version], runtime: Runtime) -> Fleet:
    """The fleet with these engines as they were; an image whose name means another one now is taken by its id."""
    from nautilus_cli.history import as_it_was, versioned

    was = {version.engine: versioned(fleet.engines[version.engine], as_it_was(version, fleet)) for version in versions}
    found = runtime.observe(fleet.model_copy(update={"engines": was})).images
    for version in versions:
        if found[version.engine].id != version.image_id:
            was[version.engine] = was[version.engine].model_copy(update={"image": version.image_id})
    there = runtime.observe(fleet.model_copy(update={"engines": was})).images
    if gone := [version for version in versions if there[version.engine].id is None]:
        raise ConfigError(
            "\n".join(f"{v.engine}: the image of version {v.serial}, {v.image}, is not here any more" for v in gone),
            "choose another version of `nautilus history`, or check out its sources and run `nautilus up`",
        )
    return fleet.model_copy(update={"engines": {**fleet.engines, **was}})
