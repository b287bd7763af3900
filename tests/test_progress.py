"""The daemon's messages, as Engine 20.10 sent them, in words."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nautilus_cli.runtimes.progress import BuildLog, PullLog, shorten

FAILED = "The command '/bin/sh -c pip install -r r.txt' returned a non-zero code: 1"


def log_of(*streams: str) -> tuple[BuildLog, list[str]]:
    log = BuildLog()
    return log, [text for stream in streams if (text := log.feed({"stream": stream}))]


def test_each_step_is_told_once() -> None:
    streams = ["Step 1/2 : FROM base", "\n", " ---> 194b\n", "Step 2/2 : RUN  pip   install\n", "out\n", "put\n"]
    log, told = log_of(*streams)
    assert told == ["step 1/2 FROM base", "step 2/2 RUN pip install"]
    assert list(log.tail) == ["out", "put"]


@given(st.lists(st.integers(min_value=0, max_value=200), max_size=8))
def test_messages_may_be_cut_anywhere(cuts: list[int]) -> None:
    text = "Step 1/2 : FROM base\n ---> 1\nStep 2/2 : RUN x\none\rtwo\r\n\x1b[31mthree\x1b[0m\n"
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[a:b] for a, b in pairwise(edges)]
    log, _ = log_of(*pieces)
    assert (log.step, list(log.tail)) == ("step 2/2 RUN x", ["one", "two", "three"])


def test_only_the_end_of_the_failing_step_is_kept() -> None:
    log, _ = log_of("Step 1/2 : RUN a\n", "old\n", "Step 2/2 : RUN b\n", *(f"line {i}\n" for i in range(30)), "last")
    log.feed({"errorDetail": {"code": 1, "message": FAILED}, "error": FAILED})
    assert [*log.tail][::14] == ["line 16", "last"]
    assert log.error == "the command ended with code 1"


def test_the_last_image_is_the_one_that_was_built() -> None:
    log = BuildLog()
    for item in ({"aux": {"ID": "sha256:1"}}, {"status": "Pulling", "id": "x"}, {"aux": {"ID": "sha256:2"}}):
        log.feed(item)
    assert (log.image, log.error) == ("sha256:2", None)


def test_a_refusal_and_an_error_without_a_reason_are_errors() -> None:
    refused, silent = BuildLog(), BuildLog()
    refused.feed({"message": "dockerfile parse error"})
    silent.feed({"error": ""})
    assert (refused.error, silent.error) == ("dockerfile parse error", "it did not say why")


def test_warnings_are_kept_apart() -> None:
    log, _ = log_of("[Warning] One or more build-args [X] were not consumed\n", "Successfully built 1\n")
    assert (log.warnings, list(log.tail)) == (["One or more build-args [X] were not consumed"], [])


def test_layers_are_counted_as_they_arrive() -> None:
    log = PullLog()
    items: list[dict[str, Any]] = [
        {"status": "Pulling from library/x", "id": "latest"},
        {"status": "Pulling fs layer", "id": "a"},
        {"status": "Already exists", "id": "b"},
        {"status": "Downloading", "id": "a", "progressDetail": {"current": 1}},
        {"status": "Pull complete", "id": "a"},
        {"status": "Digest: sha256:1"},
    ]
    assert [log.feed(item) for item in items] == [None, "0/1 layers", "1/2 layers", None, "2/2 layers", None]
    assert log.error is None


@given(st.text(), st.integers(min_value=1, max_value=200))
def test_shortened_text_is_one_line_that_fits(text: str, width: int) -> None:
    short = shorten(text, width)
    assert len(short) <= width
    assert "\n" not in short
