"""What `pip install .` installs is complete."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_wheel_holds_every_module_and_what_lies_beside_them(tmp_path: Path) -> None:
    source = tmp_path / "source"  # a copy: what an earlier build left in the tree would be packed too
    shutil.copytree(ROOT / "nautilus_cli", source / "nautilus_cli", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    package = ROOT / "nautilus_cli"
    wanted = [path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert not [str(path) for path in wanted if str(path.relative_to(ROOT)) not in packed]
    assert not [name for name in packed if not name.startswith(("nautilus_cli/", "nautilus_fleet-"))]
    (entry,) = [name for name in packed if name.endswith("entry_points.txt")]
    assert zipfile.ZipFile(wheel).read(entry).decode().split() == [
        "[console_scripts]",
        "nautilus",
        "=",
        "nautilus_cli.main:run",
    ]
