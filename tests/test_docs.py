"""The documents are true: the reference is of this schema, links lead somewhere, codes and commands exist."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from nautilus_cli import errors
from nautilus_cli.errors import NautilusError
from nautilus_cli.reconcile import reconcile
from nautilus_cli.snapshot import Snapshot, Usage
from nautilus_cli.view import tables
from tests import test_tables
from tests.scenarios.test_readme import commands

ROOT = Path(__file__).parent.parent
PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]


def test_the_reference_is_made_from_the_schema_and_the_example() -> None:
    script = ROOT / "scripts/make_reference.py"
    made = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True).stdout
    assert (ROOT / "docs/file.md").read_text() == made, "run: python scripts/make_reference.py > docs/file.md"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text())
    assert not [target for target in targets if "://" not in target and not (page.parent / target).exists()]


def test_every_promise_names_a_test_that_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs/reliability.md").read_text()))
    known = {
        name for path in (ROOT / "tests").rglob("*.py") for name in re.findall(r"def (test_\w+)", path.read_text())
    }
    assert len(named) >= 20
    assert named <= known


def test_every_exit_code_is_documented_once() -> None:
    documented = re.findall(r"^\| (\d+) \|", (ROOT / "docs/exit-codes.md").read_text(), re.MULTILINE)
    known = {0, errors.CHANGES_PENDING, errors.BUG, errors.INTERRUPTED}
    assert sorted(map(int, documented)) == sorted(known | {kind.exit_code for kind in NautilusError.__subclasses__()})


@pytest.mark.parametrize("usage", [None, {"analytics-1-v1": Usage(0.5, 1)}])
@pytest.mark.parametrize("snapshot", [Snapshot(), test_tables.snapshot()])
def test_status_data_is_as_its_schema_says(snapshot: Snapshot, usage: dict[str, Usage] | None) -> None:
    fleet = test_tables.wanted()
    data = tables.status_data(fleet, snapshot, reconcile(fleet, snapshot), usage)
    schema = json.loads((ROOT / "docs/status.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(json.loads(json.dumps(data)))


def test_the_readme_shows_commands() -> None:
    assert len(commands()) >= 12


def test_nothing_names_a_host_of_packages_or_a_path_of_one_machine() -> None:
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    forbidden = re.compile(r"/work/(main|shared|\.library)|deb\.debian\.org|pypi\.org|registry\.npmjs")
    texts = {file: (ROOT / file).read_text(errors="replace") for file in files if (ROOT / file).is_file()}
    assert not [file for file, text in texts.items() if forbidden.search(text) and file != "tests/test_docs.py"]
