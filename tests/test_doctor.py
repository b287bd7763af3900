"""What each reading of a host means for `up`."""

from __future__ import annotations

from typing import Any

import pytest

from nautilus_cli.runtimes import doctor
from nautilus_cli.runtimes.base import Finding, Verdict

NOON = 1795348800.0  # 2026-11-22T12:00:00 UTC


def verdicts(*findings: Finding) -> list[str]:
    assert all(finding.hint for finding in findings if finding.verdict is not Verdict.OK)
    return [finding.verdict.value for finding in findings]


@pytest.mark.parametrize(("api", "verdict"), [("1.24", "stop"), ("1.40", "stop"), ("1.41", "ok"), ("1.52", "ok")])
def test_engines_older_than_20_10_stop(api: str, verdict: str) -> None:
    assert verdicts(doctor.engine({"Version": "x", "ApiVersion": api})) == [verdict]


@pytest.mark.parametrize(
    ("ours", "verdict"), [(NOON, "ok"), (NOON + 1.9, "ok"), (NOON + 3, "warning"), (NOON - 60, "warning")]
)
def test_clocks_may_differ_by_two_seconds(ours: float, verdict: str) -> None:
    assert verdicts(doctor.clock("2026-11-22T12:00:00.123456789Z", ours)) == [verdict]


@pytest.mark.parametrize("missing", ["CpuCfsQuota", "MemoryLimit", "SwapLimit", "PidsLimit"])
def test_a_limit_that_is_not_enforced_is_named(missing: str) -> None:
    info: dict[str, Any] = {"CgroupVersion": "2", **dict.fromkeys(doctor.ENFORCED, True)}
    assert verdicts(doctor.limits(info)) == ["ok"]
    finding = doctor.limits({**info, missing: False})
    assert verdicts(finding) == ["warning"]
    assert doctor.ENFORCED[missing] in finding.text


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("HAProxy version 3.0.11-1+deb13u2 2025/12/09", "HAProxy 3.0.11: no known fault"),
        ("HAProxy version 2.6.12-1+deb12u4 2026/01/01", "HAProxy 2.6.12: loses connection reuse"),
        ("sh: haproxy: not found", "HAProxy of an unknown version"),
    ],
)
def test_known_faults_of_the_gateway_are_told(said: str, expected: str) -> None:
    assert doctor.gateway(said).text.startswith(expected)


@pytest.mark.parametrize(("free", "verdict"), [(doctor.LOW_DISK - 1, "warning"), (doctor.LOW_DISK, "ok")])
def test_little_disk_is_a_warning(free: int, verdict: str) -> None:
    assert verdicts(doctor.free_disk(free, "/var/lib/docker")) == [verdict]


@pytest.mark.parametrize(("reached", "verdict"), [(True, "ok"), (False, "warning")])
def test_a_firewall_between_containers_and_host_is_a_warning(reached: bool, verdict: str) -> None:
    assert verdicts(doctor.firewall(reached, "172.17.0.1")) == [verdict]
