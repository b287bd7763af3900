"""A bench report as one HTML file that refers to nothing outside of it."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from nautilus_cli import __version__
from nautilus_cli.bench.campaign import Result
from nautilus_cli.view import bench_svg as svg
from nautilus_cli.view.bench_document import Document

TEMPLATES = Path(__file__).parent.parent / "templates"


def html(found: Document) -> str:
    """The whole page; whatever comes from outside is escaped."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    drawn = [pictures(number, part.result) for number, part in enumerate(found.parts)]
    page = environment.get_template("bench.html")
    return page.render(found=found, parts=list(zip(found.parts, drawn, strict=True)), version=__version__)


def pictures(number: int, result: Result) -> list[tuple[str, Markup]]:
    """The title and the SVG of each picture that can be drawn."""
    key, report = f"s{number}", result.headline
    found = {
        "Latency by percentile": svg.percentiles(f"{key}-percentiles", report, result.subject.slo) if report else "",
        "Over time": svg.over_time(f"{key}-time", report) if report else "",
        "Share of each replica": svg.shares(f"{key}-shares", report.replicas) if report else "",
        "Sweep over connections": svg.sweep(f"{key}-sweep", result.levels),
        "The search": svg.search(f"{key}-search", result.found, result.runs) if result.found else "",
    }
    return [(title, Markup(drawn)) for title, drawn in found.items() if drawn]
