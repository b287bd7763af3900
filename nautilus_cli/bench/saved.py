"""Results that were kept, read back: the other direction of `export`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from nautilus_cli.bench.address import target_of
from nautilus_cli.bench.campaign import Found, Result, Run, Subject
from nautilus_cli.bench.cautions import Caution
from nautilus_cli.bench.export import KEPT, SCHEMA
from nautilus_cli.bench.histogram import Histogram
from nautilus_cli.bench.latency import Latency
from nautilus_cli.bench.objective import Verdict
from nautilus_cli.bench.recording import Closed, GeneratorHealth, Open, Profile, Request, Target
from nautilus_cli.bench.report import Report, Share, Slice
from nautilus_cli.bench.sweep import Level
from nautilus_cli.errors import ConfigError
from nautilus_cli.fleet import Slo
from nautilus_cli.snapshot import Image

Data = Mapping[str, Any]
NONE = np.array([], np.int64)


@dataclass(frozen=True, slots=True)
class Saved:
    """One file of results. Values of headers and the bytes of bodies were never kept; their names and number were."""

    name: str  # of the file, without its end
    began: str | None
    environment: Data
    results: tuple[Result, ...]


def read(path: Path) -> Saved:
    """The results of a file that `--save` or `--json` wrote; `ConfigError` where it is none."""
    try:
        return revived(path.stem, json.loads(path.read_text()))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, LookupError, TypeError, AttributeError, ConfigError):
        hint = f"`nautilus bench --save` and `--json` write them, as {SCHEMA}"
        raise ConfigError(f"{path}: holds no results of nautilus bench", hint) from None


def kept(folder: Path) -> list[Path]:
    """The files of results that a folder keeps, the oldest first."""
    return sorted((folder / KEPT).glob("*.json"), key=lambda path: path.stem)


def find(folder: Path, what: str) -> Path | None:
    """The file that a name means: a path, or a kept one by the beginning of its name; None where there is none.

    `ConfigError` where several kept ones begin so.
    """
    if Path(what).is_file():
        return Path(what)
    exact = [path for path in kept(folder) if what in (path.stem, path.name)]
    near = exact or [path for path in kept(folder) if what and path.stem.startswith(what)]
    if len(near) > 1:
        raise ConfigError(f"{what!r} is the beginning of {len(near)} saved runs", "`nautilus bench history` lists them")
    return near[0] if near else None


def revived(name: str, data: Data) -> Saved:
    """The results that plain data tells of."""
    if data["schema"] != SCHEMA:
        raise ValueError(data["schema"])
    results = tuple(result_of(subject) for subject in data["subjects"])
    return Saved(name, data["began"], dict(data["environment"]), results)


def result_of(data: Data) -> Result:
    """Everything of one subject."""
    subject = subject_of(data)
    return Result(
        subject,
        tuple(run_of(subject.target, run) for run in data["runs"]),
        tuple(Verdict(**verdict) for verdict in data["verdicts"]),
        tuple(Level(**level) for level in data["levels"]),
        found_of(data["search"]) if data["search"] else None,
        data["failed"],
    )


def subject_of(data: Data) -> Subject:
    """What was measured."""
    asked, replicas = data["request"], data["replicas"] or {}
    # Of headers the names are known, and of the body how long it was.
    request = Request(asked["method"], "/", tuple((name, "") for name in asked["headers"]), bytes(asked["body_bytes"]))
    return Subject(
        data["name"],
        target_of(asked["url"], request),
        slo_of(data["slo"]),
        ready=replicas.get("ready"),
        wanted=replicas.get("wanted"),
        images=tuple(Image(image["reference"], image["id"]) for image in data["images"]),
    )


def slo_of(bounds: Mapping[str, float]) -> Slo:
    """What was promised."""
    told = [f"{key}={100 * bound:.9f}%" if key == "errors" else f"{key}={bound:.9f}s" for key, bound in bounds.items()]
    return Slo.parse(",".join(told)) if told else Slo()


def found_of(data: Data) -> Found:
    """How much load is held."""
    return Found(slo_of(data["objective"]), data["held"], data["failed"], data["why"])


def run_of(target: Target, data: Data) -> Run:
    """One load run."""
    report = Report(
        target=target,
        profile=profile_of(data["load"]),
        began=datetime.fromisoformat(data["began"]).timestamp(),
        response=latency_of(data["response"]),
        service=latency_of(data["service"]),
        wire=latency_of(data["wire"]) if data["wire"] else None,
        replicas=tuple(share_of(share) for share in data["replicas"]),
        slices=tuple(Slice(**part) for part in data["slices"]),
        health=GeneratorHealth(**data["generator"]),
        cautions=tuple(Caution(**caution) for caution in data["cautions"]),
        **dict(figures(data)),
    )
    return Run(data["purpose"], report, data["note"])


def figures(data: Data) -> Iterator[tuple[str, Any]]:
    """What a report has under the same names."""
    for name in ("seconds", "requests", "answers", "rate", "received", "connects", "failures", "statuses"):
        yield name, data[name]
    yield "interrupted", data["interrupted"]


def profile_of(data: Data) -> Profile:
    """What was asked of a run."""
    load: Closed | Open = Closed(data["connections"])
    if data["kind"] == "open":
        load = Open(data["rate"], data["connections"], data["arrival"], data["seed"])
    return Profile(load, data["duration"], data["warmup"], timeout=data["timeout"])


def share_of(data: Data) -> Share:
    """What one replica answered."""
    return Share(data["replica"], data["answers"], data["share"], data["errors"], latency_of(data["latency"]))


def latency_of(data: Data) -> Latency:
    """Latencies, with their HDR counts where those were kept."""
    counts = data.get("histogram", {"values": NONE, "counts": NONE})
    histogram = Histogram(np.array(counts["values"], np.int64), np.array(counts["counts"], np.int64))
    return Latency(data["count"], data["mean"], data["max"], data["percentiles"], histogram)
