"""On what was measured: the machine, the versions, and the revision of the files."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from nautilus_cli import __version__

PATIENCE = 5.0  # seconds for git


def cores() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def environment(folder: Path) -> dict[str, Any]:
    """What another person needs to judge, or repeat, a measurement."""
    return {
        "nautilus": __version__,
        "python": platform.python_version(),
        "kernel": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "processor": processor(),
        "cores": cores(),
        "load_average": round(os.getloadavg()[0], 2),
        "git": revision(folder),
    }


def processor() -> str:
    """The processor's name, as the kernel knows it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def revision(folder: Path) -> dict[str, Any] | None:
    """The commit of a folder and whether something differs from it; None where there is no git or repository."""
    commit = git(folder, "rev-parse", "HEAD")
    if not commit:
        return None
    return {"revision": commit, "dirty": bool(git(folder, "status", "--porcelain", "--untracked-files=no"))}


def git(folder: Path, *words: str) -> str:
    """What git says; nothing where it cannot."""
    try:
        run = subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return run.stdout.strip() if run.returncode == 0 else ""
