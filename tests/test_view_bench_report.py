"""Reports as Markdown and as a page: what they say, that no text is markup, and how a browser shows them."""

from __future__ import annotations

import html
import re
import shutil
import struct
import subprocess
import xml.etree.ElementTree as ET
import zlib
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautilus_cli.bench import export, objective
from nautilus_cli.bench.campaign import Result, Run
from nautilus_cli.bench.recording import Closed, Failure, Open
from nautilus_cli.bench.report import summarise
from nautilus_cli.bench.wish import Wish
from nautilus_cli.fleet import Slo
from nautilus_cli.view.bench_document import Document, document, verdict_of
from nautilus_cli.view.bench_html import html as page_of
from nautilus_cli.view.bench_markdown import markdown, plain
from nautilus_cli.view.svg import Panel, Scale, around
from tests.bench_fakes import FakeGenerator, recording
from tests.golden import compare
from tests.test_bench_campaign import bench
from tests.test_bench_export import SUBJECT

MACHINE = {"nautilus": "1", "cores": 2, "processor": "", "git": {"revision": "0123456789abcdef", "dirty": True}}
CHROMIUM = shutil.which("chromium")
PICTURES = ["Latency by percentile", "Over time", "Share of each replica", "Sweep over connections", "The search"]
VOID = {"meta"}


def loaded(name: str = "risk") -> Result:
    """A campaign with three replicas, errors at its end and a name that is markup."""
    dice = np.random.default_rng(5)
    latencies = dice.lognormal(14, 0.5, 20_000).astype(np.int64)
    failures = [Failure.NONE] * 19_990 + [Failure.RESET] * 10
    found = recording(
        latencies,
        Open(2000),
        status=[200] * 19_950 + [503] * 50,
        failure=failures,
        replica=[1 + at % 3 for at in range(20_000)],
        replicas=("", "risk/1", "risk/2", "<b>&risk"),
        late=200_000,
    )
    report = summarise(found, 2)
    subject = replace(SUBJECT, name=name, slo=Slo.parse("p50=1.5ms,p99=20ms,errors=1%"))
    runs = Wish().measure(bench(FakeGenerator(capacity=5000, alone=0.001)), subject).runs[:4]
    return Result(subject, (*runs, Run("latency", report)), objective.verdicts(subject.slo, report))


def everything() -> Document:
    """All that a report can hold."""
    swept = Wish(levels=(1, 4, 16, 64)).measure(bench(FakeGenerator(alone=0.01)), replace(SUBJECT, name="factor"))
    slo = Slo.parse("p99=5ms")
    searched = Wish(slo=slo).measure(bench(FakeGenerator()), replace(SUBJECT, name="analytics"))
    gone = Wish().measure(bench(FakeGenerator(refused=True)), replace(SUBJECT, name="gone"))
    return told(loaded(), swept, searched, gone)


def told(*results: Result) -> Document:
    return document(results, MACHINE, export.began(results))


@pytest.fixture(scope="module")
def page() -> str:
    return page_of(everything())


def test_markdown_says_everything(request: pytest.FixtureRequest) -> None:
    compare(request, "bench_markdown", markdown(everything()))


@given(st.text())
def test_no_text_is_markup(text: str) -> None:
    shown = re.sub(r"\\(.)", r"\1", plain(text))
    assert shown == " ".join(text.split())
    assert not re.search(r"(?<!\\)(?:\\\\)*[|<`]", plain(text).replace("\\\\", ""))


class Outline(HTMLParser):
    """What a page is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            assert not name.startswith("on"), "no script"
            self.ids += [value or ""] if name == "id" else []
            self.references += [value or ""] if name in ("src", "href", "srcset", "xlink:href") else []

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_needs_nothing_else_and_is_well_formed(page: str) -> None:
    outline = Outline(page)
    assert outline.open == []
    assert outline.references == []
    assert len(outline.ids) == len(set(outline.ids))
    assert not re.search(r"url\(|@import|<script|<link|<iframe", page)
    assert "<b>&risk" not in page
    assert "&lt;b&gt;&amp;risk" in page


def test_every_picture_is_xml_with_a_title_and_a_description(page: str) -> None:
    drawn = re.findall(r"<figcaption>(.*?)</figcaption>(<svg.*?</svg>)", page, re.DOTALL)
    assert {title for title, _ in drawn} == set(PICTURES)
    for _, svg in drawn:
        root = ET.fromstring(svg)
        title, description = root[0], root[1]
        assert (title.tag, description.tag, root.get("role")) == ("title", "desc", "img")
        assert root.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
        assert title.text
        assert description.text
        assert "nan" not in svg
        assert "inf" not in svg


@pytest.mark.parametrize(
    "result",
    [
        Wish().measure(bench(FakeGenerator(stop_at=0)), SUBJECT),
        Wish(levels=(8,)).measure(bench(FakeGenerator()), SUBJECT),
        Wish(rate=0.5).measure(bench(FakeGenerator()), SUBJECT),
        Wish(slo=Slo.parse("errors=1%")).measure(bench(FakeGenerator()), SUBJECT),
        Result(SUBJECT, (Run("run", summarise(recording([], seconds=0.0), 2)),)),
        Result(SUBJECT, (Run("run", summarise(recording([0] * 100), 2)),)),
    ],
    ids=["stopped", "one level", "few", "errors only", "nothing", "no time"],
)
def test_a_report_of_little_is_a_report(result: Result) -> None:
    assert Outline(page_of(told(result))).open == []
    assert SUBJECT.name in markdown(told(result))


def test_a_search_that_found_no_rate_says_so() -> None:
    nothing = Wish(slo=Slo.parse("p99=1us")).measure(bench(FakeGenerator()), SUBJECT)
    assert "| ❌ no rate |" in markdown(told(nothing))


def test_a_verdict_has_its_mood() -> None:
    def mood(wish: Wish, slo: str, **target: object) -> tuple[str, str] | None:
        subject = replace(SUBJECT, slo=Slo.parse(slo) if slo else Slo())
        fact = verdict_of(wish.measure(bench(FakeGenerator(**target)), subject))  # type: ignore[arg-type]
        return (fact.value, fact.mood) if fact else None

    assert mood(Wish(), "p99=20ms") == ("met", "good")
    assert mood(Wish(), "p99=1us") == ("missed: p99", "bad")
    assert mood(Wish(rate=5), "p99.9=1s") == ("unknown: p99.9", "unsure")
    assert mood(Wish(), "", refused=True) == ("not measured", "bad")
    assert mood(Wish(), "") is None
    assert mood(Wish(), "p50=1s", stop_at=4, why="the target is gone") == ("target gone", "bad")


@given(st.floats(1e-6, 1e6), st.floats(1.01, 1e6))
def test_a_logarithmic_scale_keeps_its_order_and_has_few_round_ticks(low: float, times: float) -> None:
    scale = Scale(*around([low, low * times]), 200.0, 10.0, log=True)
    ticks = scale.ticks()
    assert 1 <= len(ticks) <= 16
    assert all(a > b for a, b in pairwise(map(scale, ticks)))
    assert 200 >= scale(low) > scale(low * times) >= 10


@given(st.floats(1e-3, 1e9))
def test_a_linear_scale_has_few_round_ticks(high: float) -> None:
    ticks = Scale(0, high, 0, 100).ticks()
    assert ticks[0] == 0
    assert 3 <= len(ticks) <= 7


def test_a_line_is_broken_where_a_figure_is_not_known() -> None:
    panel = Panel(Scale(0, 4, 0, 4), Scale(0, 1, 0, 1))
    drawn = panel.line([(0, 0.0), (1, 1.0), (2, None), (3, 0.0)], "first")
    assert 'd="M0 0h0 L1 1h0 M3 0h0"' in drawn
    assert panel.line([(0, None)], "first") == ""
    assert panel.area([(0, None)], "first") == ""


browser = pytest.mark.skipif(
    CHROMIUM is None, reason="NOT LOOKED AT: there is no chromium to show the page (Debian package chromium)"
)


def look(folder: Path, page: str, *options: str, width: int = 1200) -> str:
    """What headless Chromium does with a page."""
    assert CHROMIUM
    (folder / "page.html").write_text(page)
    words = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    profile = f"--user-data-dir={folder / 'profile'}"
    url = (folder / "page.html").as_uri()
    command = [CHROMIUM, *words, profile, f"--window-size={width},2000", "--hide-scrollbars", *options, url]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return run.stdout


MEASURE = """<script>
const root = document.documentElement, said = document.createElement("pre");
const cut = [...document.querySelectorAll("svg text")].filter(text => {
  const own = text.getBoundingClientRect(), all = text.ownerSVGElement.getBoundingClientRect();
  return own.left < all.left - 1 || own.right > all.right + 1 || own.bottom > all.bottom + 1 || own.top < all.top - 1;
}).map(text => text.textContent);
said.textContent = JSON.stringify([root.scrollWidth - root.clientWidth, cut]);
said.id = "said"; document.body.append(said);
</script>"""


@browser
@pytest.mark.parametrize("width", [1200, 520])
def test_a_browser_shows_all_of_it_without_scrolling_sideways(page: str, tmp_path: Path, width: int) -> None:
    dom = look(tmp_path, page.replace("</body>", f"{MEASURE}</body>"), "--dump-dom", width=width)
    said = re.search(r'<pre id="said">(.*?)</pre>', dom)
    assert said
    assert html.unescape(said[1]) == "[0,[]]"
    shown = html.unescape(re.sub(r"<[^>]+>", " ", dom))
    for words in ("met", "5,000/s", "600/s", "not measured", "risk/2", *PICTURES):
        assert words in shown


def pixels(png: bytes) -> Iterator[bytes]:
    """The rows of a PNG of 8 bits a channel, as bytes of three or four channels a pixel."""
    width, _, _, kind = struct.unpack(">IIBB", png[16:26])
    size = {2: 3, 6: 4}[kind]
    at, packed = 8, b""
    while at < len(png):
        length, name = struct.unpack(">I4s", png[at : at + 8])
        packed += png[at + 8 : at + 8 + length] if name == b"IDAT" else b""
        at += length + 12
    raw, before = zlib.decompress(packed), bytearray(width * size)
    for start in range(0, len(raw), width * size + 1):
        before = unfiltered(raw[start], bytearray(raw[start + 1 : start + 1 + width * size]), before, size)
        yield bytes(before)


def unfiltered(kind: int, line: bytearray, above: bytearray, size: int) -> bytearray:
    """One row as it was before the filter of PNG."""
    for at in range(len(line)):
        left, up = (line[at - size] if at >= size else 0), above[at]
        corner = above[at - size] if at >= size else 0
        near = min((abs(up - corner), 0, left), (abs(left - corner), 1, up), (abs(left + up - 2 * corner), 2, corner))
        line[at] = (line[at] + (0, left, up, (left + up) // 2, near[2])[kind]) & 255
    return line


@browser
@pytest.mark.parametrize(("scheme", "dark"), [("1", False), ("0", True)], ids=["light", "dark"])
def test_both_colour_schemes_are_drawn(page: str, tmp_path: Path, scheme: str, dark: bool) -> None:
    picture = tmp_path / "page.png"
    look(tmp_path, page, f"--screenshot={picture}", f"--blink-settings=preferredColorScheme={scheme}", width=500)
    rows = list(pixels(picture.read_bytes()))
    background = rows[2][:3]
    assert (max(background) < 60) if dark else (min(background) > 230)
    size = len(rows[0]) // 500
    seen = {bytes(row[at : at + 3]) for row in rows for at in range(0, len(row), size)}
    first = bytes.fromhex("6cb1ff" if dark else "1261c9")
    ink = bytes.fromhex("e6edf4" if dark else "16202c")
    assert first in seen  # a line of a chart
    assert ink in seen  # a word


def contrast(one: str, other: str) -> float:
    """The contrast of two colours, as WCAG defines it."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_every_colour_can_be_read_in_both_schemes(page: str) -> None:
    schemes = re.findall(r":root \{(.*?)\}", page, re.DOTALL)
    assert len(schemes) == 2
    for scheme in schemes:
        colours = dict(re.findall(r"--(\w+): (#\w{6})", scheme))
        for name in set(colours) - {"page", "card", "line"}:
            assert min(contrast(colours[name], colours[under]) for under in ("page", "card")) >= 4.5, name


def test_a_closed_loop_has_no_response_of_its_own() -> None:
    result = Wish(connections=4).measure(bench(FakeGenerator()), SUBJECT)
    assert isinstance(result.runs[0].report.profile.load, Closed)
    assert "| response |" not in markdown(told(result))
