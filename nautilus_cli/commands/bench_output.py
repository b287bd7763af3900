"""Where the results of `nautilus bench` go: to the terminal, and into files."""

from __future__ import annotations

from dataclasses import dataclass
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nautilus_cli.errors import ConfigError
from nautilus_cli.view.console import note, say, show

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nautilus_cli.bench.campaign import Result


@dataclass(frozen=True, slots=True)
class Output:
    """What is shown and written."""

    json: bool = False
    save: bool = False
    hgrm: Path | None = None
    markdown: bool = False
    html: Path | None = None

    def __post_init__(self) -> None:
        if self.json and self.markdown:
            raise ConfigError("--json and --markdown both go to the standard output", "choose one")

    def tell(self, results: Sequence[Result], environment: Mapping[str, Any], folder: Path) -> None:
        """Show the results, and write them where it was asked; what is saved goes below this folder."""
        from nautilus_cli.bench import export

        data = export.data(results, environment) if self.json or self.save else {}
        self.show(results, environment, data)
        if self.hgrm and (headline := results[0].headline):
            write(self.hgrm, headline.response.histogram.hgrm())
        if self.html:
            from nautilus_cli.view.bench_document import document
            from nautilus_cli.view.bench_html import html

            write(self.html, html(document(results, environment, export.began(results))))
        if self.save:
            write(export.place(folder, data), dumps(data) + "\n")
            (folder / export.KEPT / ".gitignore").write_text("*\n")

    def show(self, results: Sequence[Result], environment: Mapping[str, Any], data: Mapping[str, Any]) -> None:
        """To the standard output: data, Markdown, or tables for people."""
        if self.json:
            say(dumps(data))
        elif self.markdown:
            from nautilus_cli.bench import export
            from nautilus_cli.view.bench_document import document
            from nautilus_cli.view.bench_markdown import markdown

            say(markdown(document(results, environment, export.began(results))).rstrip())
        else:
            from nautilus_cli.view import bench as view

            show(view.view(results))


def write(path: Path, text: str) -> None:
    """Write a file and say where; `ConfigError` where that cannot be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from None
    note(f"written: {path}")
