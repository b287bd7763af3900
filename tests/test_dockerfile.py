"""What is known of a build before it runs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautilus_cli.runtimes.dockerfile import parse

TWO_STAGES = """
# syntax=docker/dockerfile:1
ARG BASE_IMAGE=python:3.13
FROM --platform=linux/amd64 ${BASE_IMAGE} AS Builder
ARG PIP_INDEX_URL
RUN pip install \\
  # a comment inside
  numpy
FROM scratch AS empty
FROM $BASE_IMAGE
ARG ENGINE=risk PORT
COPY --chown=1000 --from=builder /v /v
COPY --from=tools/curl:8 /curl /curl
"""


def test_images_are_those_that_no_stage_makes() -> None:
    assert parse(TWO_STAGES, {}).images == ("python:3.13", "tools/curl:8")


def test_a_build_argument_replaces_a_default_before_the_first_stage() -> None:
    assert parse(TWO_STAGES, {"BASE_IMAGE": "mine:1"}).images == ("mine:1", "tools/curl:8")


def test_an_argument_that_nobody_declares_before_the_first_stage_is_empty() -> None:
    assert parse("FROM $OTHER", {"OTHER": "x"}).stages[0].base == ""


@pytest.mark.parametrize(
    ("text", "image"),
    [
        ("${V:-fallback}", "fallback"),
        ("${W:-fallback}", "there"),
        ("a${W:+-x}${V:+-y}", "a-x"),
        ("x:$W", "x:there"),
        ("${V}y", "y"),
    ],
)
def test_substitution_follows_docker(text: str, image: str) -> None:
    script = parse(f"ARG V\nARG W=there\nFROM {text}", {})
    assert script.stages[0].base == image


def test_declared_arguments_are_those_of_every_stage_and_of_none() -> None:
    assert parse(TWO_STAGES, {}).declared == {"BASE_IMAGE", "PIP_INDEX_URL", "ENGINE", "PORT"}


def test_recorded_arguments_are_those_of_the_last_stage_only() -> None:
    assert parse(TWO_STAGES, {}).recorded == {"ENGINE", "PORT"}


def test_a_last_stage_on_top_of_another_records_its_arguments_too() -> None:
    script = parse("FROM a AS one\nARG X\nFROM b AS two\nARG Y\nFROM One AS three\nARG Z\n", {})
    assert script.recorded == {"X", "Z"}


@pytest.mark.parametrize("target", ["BUILDER", "0"])
def test_a_target_leaves_later_stages_out(target: str) -> None:
    script = parse(TWO_STAGES, {}, target)
    assert script.images == ("python:3.13",)
    assert script.recorded == {"PIP_INDEX_URL"}


def test_a_stage_may_bear_the_name_of_an_image_that_it_starts_from() -> None:
    assert parse("FROM redis AS redis\nFROM redis\n", {}).images == ("redis",)


@given(st.text(alphabet="FROMARGCPY asx=$-{}:\\\n#\"'", max_size=200))
def test_no_text_is_refused_here(text: str) -> None:
    script = parse(text, {})
    assert script.recorded <= script.declared
    assert set(script.images) <= {name for stage in script.stages for name in (stage.base, *stage.copies)}
