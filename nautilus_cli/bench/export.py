"""Results as plain data under a versioned schema: docs/bench.schema.json. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nautilus_cli.bench import objective
from nautilus_cli.bench.address import url_of
from nautilus_cli.bench.campaign import Found, Result, Run, Subject
from nautilus_cli.bench.histogram import DIGITS
from nautilus_cli.bench.latency import Latency
from nautilus_cli.bench.recording import Closed, Profile
from nautilus_cli.bench.report import Report, Share, method
from nautilus_cli.fleet import Slo

SCHEMA = "nautilus.bench/1"
KEPT = Path(".nautilus/bench")  # in the folder of the file


def data(results: Sequence[Result], environment: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that was measured, and on what."""
    return {
        "schema": SCHEMA,
        "began": began(results),
        "missed": any(result.missed for result in results),
        "interrupted": any(result.interrupted for result in results),
        "healthy": all(result.healthy for result in results),
        "environment": dict(environment),
        "subjects": [subject_data(result) for result in results],
    }


def began(results: Sequence[Result]) -> str | None:
    """When the first run began."""
    return moment(min((run.report.began for result in results for run in result.runs), default=None))


def place(folder: Path, data: Mapping[str, Any]) -> Path:
    """The file that keeps these results: its name says when and of what."""
    when = re.sub(r"[^0-9T]", "", str(data["began"]).split(".")[0])
    names = "-".join(re.sub(r"[^\w.-]+", "-", subject["name"]) for subject in data["subjects"])
    return folder / KEPT / f"{when}-{names[:60]}.json"


def moment(began: float | None) -> str | None:
    """A time as ISO 8601 in UTC."""
    return None if began is None else datetime.fromtimestamp(began, UTC).isoformat(timespec="milliseconds")


def subject_data(result: Result) -> dict[str, Any]:
    """Everything of one subject."""
    subject = result.subject
    return {
        "name": subject.name,
        "request": request_data(subject),
        "replicas": None if subject.ready is None else {"ready": subject.ready, "wanted": subject.wanted},
        "images": [{"reference": image.reference, "id": image.id} for image in subject.images],
        "slo": slo_data(subject.slo),
        "failed": result.failed,
        "verdicts": [asdict(verdict) for verdict in result.verdicts],
        "levels": [asdict(level) for level in result.levels],
        "search": found_data(result.found) if result.found else None,
        "runs": [run_data(run) for run in result.runs],
    }


def request_data(subject: Subject) -> dict[str, Any]:
    """What was asked, without the values of headers, which may be secrets, and without the body."""
    request = subject.target.request
    return {
        "url": url_of(subject.target),
        "method": request.method,
        "headers": [name for name, _ in request.headers],
        "body_bytes": len(request.body),
    }


def found_data(found: Found) -> dict[str, Any]:
    """How much load is held."""
    return {"objective": slo_data(found.slo), "held": found.held, "failed": found.failed, "why": found.why}


def slo_data(slo: Slo) -> dict[str, float]:
    """What is promised: seconds, and a share for errors."""
    return dict(objective.bounds(slo)) | ({} if slo.errors is None else {"errors": slo.errors})


def run_data(run: Run) -> dict[str, Any]:
    """One load run."""
    report = run.report
    return {
        "purpose": run.purpose,
        "note": run.note,
        "method": method(report.profile),
        "load": load_data(report.profile),
        **figures(report),
        "healthy": report.healthy,
        "cautions": [asdict(caution) for caution in report.cautions],
        "generator": asdict(report.health),
    }


def load_data(profile: Profile) -> dict[str, Any]:
    """What was asked of a run."""
    kind = "closed" if isinstance(profile.load, Closed) else "open"
    times = {"duration": profile.duration, "warmup": profile.warmup, "timeout": profile.timeout}
    return {"kind": kind, **asdict(profile.load), **times}


def figures(report: Report) -> dict[str, Any]:
    """What a run brought."""
    return {
        "began": moment(report.began),
        "seconds": report.seconds,
        "interrupted": report.interrupted,
        "requests": report.requests,
        "answers": report.answers,
        "rate": report.rate,
        "received": report.received,
        "connects": report.connects,
        "errors": report.errors,
        "failures": dict(report.failures),
        "statuses": dict(report.statuses),
        "response": latency_data(report.response),
        "service": latency_data(report.service),
        "wire": latency_data(report.wire) if report.wire else None,
        "replicas": [share_data(share) for share in report.replicas],
        "slices": [asdict(part) for part in report.slices],
    }


def latency_data(latency: Latency) -> dict[str, Any]:
    """Latencies in seconds, and their HDR counts in nanoseconds."""
    histogram = latency.histogram
    counts = {"digits": DIGITS, "values": histogram.values.tolist(), "counts": histogram.counts.tolist()}
    return {**summary(latency), "histogram": counts}


def summary(latency: Latency) -> dict[str, Any]:
    """Latencies in seconds."""
    return {"count": latency.count, "mean": latency.mean, "max": latency.max, "percentiles": dict(latency.percentiles)}


def share_data(share: Share) -> dict[str, Any]:
    """What one replica answered."""
    return {
        "replica": share.replica,
        "answers": share.answers,
        "share": share.share,
        "errors": share.errors,
        "latency": summary(share.latency),
    }
