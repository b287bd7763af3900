"""Every nautilus command that the README shows, run in its order on real containers."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.scenarios.world import REDIS, World, server

pytestmark = pytest.mark.docker
README = Path(__file__).parents[2] / "README.md"
BENCH = README.parent / "docs/bench.md"


def commands(page: Path = README) -> list[tuple[list[str], int]]:
    """The words of each command in a page's console blocks, and the exit code that it names."""
    blocks = re.findall(r"```console\n(.*?)```", page.read_text(), re.DOTALL)
    found = []
    for line in "".join(blocks).splitlines():
        shown, _, remark = line.removeprefix("$ ").partition("#")
        code = re.search(r"exits (\d+)", remark)
        found.append((shlex.split(shown)[1:], int(code[1]) if code else 0))
    return found


@pytest.mark.timeout(600)
def test_the_commands_of_the_readme_do_what_it_says(world: World) -> None:
    ports = world.ports
    world.declare(
        engines={
            "analytics": server(ports[0], replicas={"min": 2, "max": 8}),
            "risk": server(ports[1], replicas={"min": 1, "max": 3}, depends_on=["redis"]),
            "factor": server(ports[2], replicas={"min": 4, "max": 12}),
        },
        services={"redis": {"kind": "redis", "image": REDIS, "port": 6379, "volumes": ["redis-data:/data"]}},
    )
    shown = commands()
    assert {words[0] for words, _ in shown} >= {"up", "status", "scale", "down", "build", "config"}
    for words, code in shown:
        world.run(*words, code=code)
    assert world.leftovers() == []
