"""The edge: every expected failure has its exit code and says what to do, on the real command line."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from nautilus_cli import errors, runtimes
from nautilus_cli.bench.recording import Open
from nautilus_cli.commands.bench import stopping
from nautilus_cli.errors import NautilusError
from nautilus_cli.fleet import Fleet
from nautilus_cli.main import app
from nautilus_cli.runtimes.base import Finding, Happening, Verdict
from tests.bench_fakes import FakeGenerator
from tests.fakes import FakeRuntime
from tests.test_bench_compare import Two

README = Path(__file__).parent.parent / "README.md"
FILE = {
    "name": "demo",
    "engines": {
        "risk": {"image": "img", "port": 8200, "replicas": {"min": 1, "max": 3}, "update": {"monitor": "0s"}},
        "factor": {"image": "img", "port": 8300, "replicas": {"min": 2, "max": 4}, "update": {"monitor": "0s"}},
    },
}
NAMES = (
    "up",
    "down",
    "scale",
    "status",
    "build",
    "config",
    "doctor",
    "restart",
    "logs",
    "exec",
    "events",
    "pull",
    "bench",
    "bus",
    "load",
    "history",
    "rollback",
    "watch",
    "drill",
)


class Cli:
    """The command line over a runtime in memory, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runtime = FakeRuntime()
        self.write(FILE)

    def write(self, document: object) -> None:
        (self.folder / "engines.yaml").write_text(yaml.safe_dump(document))

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(app, ["-f", str(self.folder / "engines.yaml"), *words])


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    cli = Cli(tmp_path)

    @contextmanager
    def opened(fleet: Fleet, declared: Fleet | None = None) -> Iterator[FakeRuntime]:
        yield cli.runtime

    monkeypatch.setattr(runtimes, "open_runtime", opened)
    return cli


def test_up_shows_its_plan_does_it_and_shows_the_result(cli: Cli) -> None:
    result = cli.run("up")
    assert result.exit_code == 0
    assert "deploy  risk x1        not running" in result.stdout
    assert re.search(r"factor .* 2/2 \(2-4\) .* healthy .* in sync", result.stdout)
    assert "fleet demo: in sync\n" in result.stdout
    assert "done after " in result.stderr
    first, *builds, expose = cli.runtime.verbs[:4]
    assert (first, sorted(builds), expose) == ("preflight", ["build factor", "build risk"], "expose")
    assert sorted(cli.runtime.verbs[4:6]) == ["deploy factor 2", "deploy risk 1"]
    assert cli.runtime.verbs[6:] == ["exposed"]


def test_a_second_up_does_nothing(cli: Cli) -> None:
    cli.run("up")
    cli.runtime.verbs.clear()
    result = cli.run("up")
    assert result.stdout == "nothing to do: everything is as the file says\n"
    assert cli.runtime.verbs == []


def test_a_dry_run_says_with_its_exit_code_whether_changes_are_pending(cli: Cli) -> None:
    assert cli.run("up", "--dry-run").exit_code == 0
    assert cli.run("up", "--dry-run", "--exit-code").exit_code == errors.CHANGES_PENDING
    assert cli.runtime.verbs == []
    cli.run("up")
    assert cli.run("up", "--dry-run", "--exit-code").exit_code == 0


def test_up_of_one_engine_leaves_the_others_alone(cli: Cli) -> None:
    cli.run("up", "risk")
    assert {replica.engine for replica in cli.runtime.replicas.values()} == {"risk"}


def test_without_builds_a_missing_image_is_an_error(cli: Cli) -> None:
    result = cli.run("up", "--no-build")
    assert result.exit_code == 4
    assert "hint: run `nautilus build`" in result.stderr
    assert cli.runtime.replicas == {}


def test_a_failing_build_leaves_the_fleet_alone(cli: Cli) -> None:
    cli.runtime.broken = {"risk"}
    result = cli.run("up")
    assert result.exit_code == 4
    assert "error: risk: step 2/3 RUN false" in result.stderr
    assert "expose" not in cli.runtime.verbs


def test_a_failed_rollout_is_5_and_what_served_goes_on(cli: Cli) -> None:
    cli.run("up")
    before = sorted(cli.runtime.replicas)
    engines = {**FILE["engines"], "risk": {**FILE["engines"]["risk"], "environment": {"MODE": "dies"}}}  # type: ignore[dict-item,index]
    cli.write({**FILE, "engines": engines})
    result = cli.run("up")
    assert result.exit_code == 5
    assert "exited with code 3" in result.stderr
    assert "go on serving" in result.stderr
    assert sorted(cli.runtime.replicas) == before


@pytest.mark.parametrize(
    ("words", "counts"),
    [(["factor", "4"], {"factor": 4, "risk": 1}), (["factor=3", "risk=2"], {"factor": 3, "risk": 2})],
)
def test_scale_changes_counts_and_up_keeps_them(cli: Cli, words: list[str], counts: dict[str, int]) -> None:
    cli.run("up")
    assert cli.run("scale", *words).exit_code == 0
    assert cli.run("up").stdout.startswith("nothing to do")
    engines = [replica.engine for replica in cli.runtime.replicas.values()]
    assert {name: engines.count(name) for name in counts} == counts


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["factor", "9"], "9 replicas are outside its range 2 to 4"),
        (["factor", "0"], "0 replicas are outside its range 2 to 4"),
        (["fctor", "3"], "did you mean 'factor'?"),
        (["factor"], "'factor' is not ENGINE=COUNT"),
        (["factor=x"], "'factor=x' is not ENGINE=COUNT"),
        (["factor=3", "factor=4"], "'factor' is named twice"),
    ],
)
def test_scale_refuses_what_makes_no_sense_and_touches_nothing(cli: Cli, words: list[str], said: str) -> None:
    result = cli.run("scale", *words)
    assert result.exit_code == 2
    assert said in result.stderr
    assert cli.runtime.verbs == []


def test_restart_exchanges_every_replica_and_changes_nothing_else(cli: Cli) -> None:
    cli.run("up")
    before = {replica.name: replica for replica in cli.runtime.replicas.values()}
    result = cli.run("restart", "factor")
    assert result.exit_code == 0
    assert result.stdout.startswith("  deploy  factor x2      restart asked\n")
    after = {replica.name: replica for replica in cli.runtime.replicas.values()}
    assert {replica.engine for name, replica in after.items() if name not in before} == {"factor"}
    assert len(after) == len(before)
    assert {replica.fingerprint for replica in after.values()} == {replica.fingerprint for replica in before.values()}
    assert cli.run("up").stdout.startswith("nothing to do")


def changed(image: str) -> dict[str, object]:
    """The file with another image of risk."""
    return {**FILE, "engines": {**FILE["engines"], "risk": {**FILE["engines"]["risk"], "image": image}}}  # type: ignore[dict-item,index]


def test_rollback_brings_back_the_version_before_and_only_that(cli: Cli) -> None:
    cli.run("up")
    assert "no version before" in cli.run("rollback", "risk").stderr
    cli.write(changed("img:2"))
    cli.run("up")
    before = {r.name for r in cli.runtime.replicas.values() if r.engine == "factor"}
    planned = cli.run("rollback", "--dry-run")
    assert "deploy  risk x1        image changed" in planned.stdout
    result = cli.run("rollback")
    assert result.exit_code == 0, result.output
    assert "the file was not edited" in result.stderr
    assert before == {r.name for r in cli.runtime.replicas.values() if r.engine == "factor"}
    shown = json.loads(cli.run("history", "risk", "--json").stdout)["versions"]
    assert [(v["serial"], v["image"], v["runs"], v["cause"]) for v in shown] == [
        (3, "img", 1, "rollback risk=1: image changed"),
        (2, "img:2", 0, "up: image changed"),
        (1, "img", 1, "up: first version"),
    ]
    assert "deploy  risk x1        image changed" in cli.run("up", "--dry-run").stdout


def test_rollback_goes_to_any_version_on_record(cli: Cli) -> None:
    for image in ("img", "img:2", "img:3"):
        cli.write(changed(image))
        assert cli.run("up").exit_code == 0
    assert cli.run("rollback", "risk", "--to", "1").exit_code == 0
    assert {r.fingerprint for r in cli.runtime.replicas.values() if r.engine == "risk"} == {
        v.fingerprint for v in cli.runtime.versions if v.engine == "risk" and v.image == "img"
    }
    assert "there are: 4, 3, 2, 1" in cli.run("rollback", "risk", "--to", "7").stderr
    assert "--to needs exactly one ENGINE" in cli.run("rollback", "--to", "1").stderr


def test_rollback_refuses_what_cannot_be_brought_back(cli: Cli) -> None:
    assert "no version on record" in cli.run("rollback").stderr
    cli.run("up")
    cli.write(changed("img:2"))
    cli.run("up")
    cli.runtime.images.remove("img")
    result = cli.run("rollback", "risk")
    assert result.exit_code == 2
    assert "risk: the image of version 1, img, is not here any more" in result.stderr


def test_history_is_a_table(cli: Cli) -> None:
    cli.run("up")
    lines = cli.run("history").stdout.splitlines()
    assert [line.split()[:2] for line in lines if line.strip()][2:] == [["factor", "1"], ["risk", "1"]]
    assert "did you mean 'risk'?" in cli.run("history", "rik").stderr


@pytest.mark.parametrize("words", [["up"], ["scale", "risk", "2"], ["restart"], ["down"]])
def test_a_change_waits_for_the_lock_as_long_as_it_is_told(cli: Cli, words: list[str]) -> None:
    if words != ["up"]:
        cli.run("up")
    cli.runtime.refusals = 1
    refused = cli.run(*words)
    assert (refused.exit_code, "up by ann@desk" in refused.stderr) == (6, True)
    cli.runtime.refusals = 2
    waited = cli.run(*words, "--wait", "1m")
    assert waited.exit_code == 0
    assert waited.stderr.count("another change is running: up by ann@desk; waiting at most 1m00s") == 1
    cli.runtime.refusals = 100
    assert cli.run("up", "--wait", "soon").exit_code == 2


def test_who_waits_in_vain_is_told_who_holds_the_lock(cli: Cli) -> None:
    cli.runtime.refusals = 10**6
    result = cli.run("up", "--wait", "300ms")
    assert (result.exit_code, result.stderr.count("up by ann@desk")) == (6, 2)


def test_down_removes_everything(cli: Cli) -> None:
    cli.run("up")
    assert cli.run("down").exit_code == 0
    assert cli.runtime.replicas == {}
    assert cli.runtime.ports == ()
    assert cli.run("down").stdout == "nothing to do: everything is as the file says\n"


def test_status_is_1_while_replicas_are_missing(cli: Cli) -> None:
    assert cli.run("status").exit_code == 1
    cli.run("up")
    assert cli.run("status").exit_code == 0
    assert '"in_sync": true' in cli.run("status", "--json").stdout


def test_logs_show_who_wrote_and_only_what_matches(cli: Cli) -> None:
    cli.run("up")
    assert cli.run("logs", "risk").stdout == "risk/1 | mode ok\n"
    assert cli.run("logs", "-t", "factor").stdout == "factor/1 | stamp0 mode ok\nfactor/2 | stamp1 mode ok\n"
    assert len(cli.run("logs").stdout.splitlines()) == 3
    assert cli.run("logs", "--grep", "^mode o").stdout == cli.run("logs").stdout
    assert cli.run("logs", "--grep", "error").stdout == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["logs", "rsk"], "did you mean 'risk'?"),
        (["logs", "--grep", "("], "'(' is no regular expression"),
        (["logs", "--since", "soon"], "'soon' is neither a duration nor a time"),
        (["events", "--since", "soon"], "'soon' is neither a duration nor a time"),
        (["exec", "rsk", "sh"], "did you mean 'risk'?"),
        (["exec", "risk", "--"], "exec needs a command"),
        (["pull", "rsk"], "did you mean 'risk'?"),
    ],
)
def test_questions_that_make_no_sense_are_refused(cli: Cli, words: list[str], said: str) -> None:
    result = cli.run(*words)
    assert result.exit_code == 2
    assert said in result.stderr


def test_exec_passes_the_options_and_the_exit_code_of_the_command(cli: Cli, capfd: pytest.CaptureFixture[str]) -> None:
    cli.run("up")
    assert cli.run("exec", "risk", "ls", "-l", "--help", "7").exit_code == 7
    assert cli.run("exec", "factor/2", "--", "ls").exit_code == 0
    assert cli.runtime.verbs[-2:] == ["attach risk/1 ls -l --help 7", "attach factor/2 ls"]
    assert capfd.readouterr().out == "ls -l --help 7\nls\n"
    assert cli.run("exec", "factor/3", "ls").exit_code == 1


def test_events_end_quietly_with_130(cli: Cli) -> None:
    cli.runtime.happened = [Happening(1.5, "risk/2", "die", "exited with code 3", "abc", 3)]
    result = cli.run("events")
    assert result.exit_code == errors.INTERRUPTED
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d risk/2 \| exited with code 3\n", result.stdout)
    assert result.stderr == ""
    assert json.loads(cli.run("events", "--json").stdout)["exit_code"] == 3


def test_pull_tells_what_is_new_and_a_failure_is_4(cli: Cli) -> None:
    cli.runtime.newer = {"risk": ("img",)}
    assert "new: img\nthe next `nautilus up` uses it" in cli.run("pull").stdout
    assert sorted(cli.runtime.verbs) == ["pull factor", "pull gateway", "pull risk"]
    assert cli.run("pull", "risk").stdout == "every image is up to date\n"
    cli.runtime.broken = {"risk"}
    result = cli.run("pull")
    assert result.exit_code == 4
    assert "risk: image 'img' is here but cannot be pulled: denied" in result.stderr


def test_doctor_is_1_when_something_would_stop_up(cli: Cli) -> None:
    cli.runtime.findings = [
        Finding("engine", Verdict.OK, "Docker 28"),
        Finding("disk", Verdict.WARN, "1GiB free", "prune"),
    ]
    assert cli.run("doctor").exit_code == 0
    cli.runtime.findings.append(Finding("ports", Verdict.STOP, "8200 is held by nginx", "stop it"))
    result = cli.run("doctor")
    assert result.exit_code == 1
    assert re.search(r"stop +ports +8200 is held by nginx\s+-> stop it", result.stdout)
    data = json.loads(cli.run("doctor", "--json").stdout)
    assert (data["schema"], data["stops_up"]) == ("nautilus.doctor/1", True)
    assert [finding["verdict"] for finding in data["findings"]] == ["ok", "warning", "stop"]


def test_a_wrong_file_is_2_and_names_every_place(cli: Cli) -> None:
    cli.write({"name": "demo", "engines": {"risk": {"image": "img", "port": "no", "replcas": 2}}})
    result = cli.run("up")
    assert result.exit_code == 2
    assert len(re.findall(r"engines.yaml:\d+:\d+: engines\.risk\.", result.stderr)) == 2
    assert cli.runtime.verbs == []


def test_a_bug_is_70_and_leaves_a_log(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(fleet: Fleet) -> None:
        raise ZeroDivisionError("on purpose")

    monkeypatch.setattr(runtimes, "open_runtime", broken)
    result = cli.run("status")
    assert result.exit_code == errors.BUG
    log = Path(result.stderr.split("its log: ")[1].strip())
    assert "ZeroDivisionError: on purpose" in log.read_text()
    log.unlink()


def test_an_interrupt_is_130(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(runtimes, "open_runtime", interrupted)
    result = cli.run("up")
    assert result.exit_code == errors.INTERRUPTED
    assert "run the same command again" in result.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        *([name, "--help"] for name in NAMES),
    ],
)
def test_every_command_shows_an_example(cli: Cli, words: list[str]) -> None:
    result = cli.run(*words)
    assert result.exit_code == 0
    assert "Exit codes:" in result.stdout if words == ["--help"] else "  nautilus " in result.stdout


def test_exit_codes_are_documented_in_help_and_readme() -> None:
    codes = {kind.exit_code for kind in NautilusError.__subclasses__()} | {
        0,
        errors.CHANGES_PENDING,
        errors.BUG,
        errors.INTERRUPTED,
    }
    help_text = CliRunner().invoke(app, ["--help"]).stdout
    for text in (help_text[help_text.index("Exit codes:") :], README.read_text()):
        assert not [code for code in codes if not re.search(rf"(?<!\d){code}(?!\d)", text)]


def test_no_docker_is_3(tmp_path: Path) -> None:
    (tmp_path / "engines.yaml").write_text(yaml.safe_dump(FILE))
    environ = {**os.environ, "DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    run = subprocess.run(
        [sys.executable, "-m", "nautilus_cli", "status"],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 3
    assert run.stderr.startswith("error: no Docker engine answers: ")
    assert "hint: start Docker" in run.stderr


def test_the_first_signal_ends_at_a_step_the_second_at_once() -> None:
    code = (
        "import os, signal, time\nfrom nautilus_cli.main import interrupt\n"
        "signal.signal(signal.SIGINT, interrupt)\n"
        "try: os.kill(os.getpid(), signal.SIGINT); time.sleep(5)\n"
        "except KeyboardInterrupt: print('first', flush=True); os.kill(os.getpid(), signal.SIGINT); time.sleep(5)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (run.stdout, run.returncode) == ("first\n", errors.INTERRUPTED)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> FakeGenerator:
    """The load generator of `nautilus bench`, whose target is a formula."""
    generator = FakeGenerator(capacity=1000, alone=0.008)
    monkeypatch.setattr("nautilus_cli.bench.apart.run", generator)
    return generator


def promise(cli: Cli, **keys: object) -> None:
    risk = {**FILE["engines"]["risk"], **keys}  # type: ignore[index]
    cli.write({**FILE, "engines": {"risk": risk}})
    cli.run("up")


def test_bench_measures_every_engine_and_a_missed_slo_is_1(cli: Cli, load: FakeGenerator) -> None:
    promise(cli, slo={"p99": "20ms"})
    result = cli.run("bench")
    assert result.exit_code == 0
    assert re.search(r"risk +1/1 +1,000 +499 +16ms .* met\s", result.stdout)
    assert re.search(r"risk +peak +64 connections +1,000/s", result.stderr)
    promise(cli, slo={"p99": "1ms"}, bench={"rate": 100})
    result = cli.run("bench")
    assert result.exit_code == 1
    assert "objective p99 <= 1ms: MISSED, measured 8.89ms" in " ".join(result.stdout.split())


def test_bench_of_an_engine_that_lacks_replicas_is_1(cli: Cli, load: FakeGenerator) -> None:
    result = cli.run("bench", "factor")
    assert result.exit_code == 1
    assert "factor: not measured: 0 of 2 replicas are ready" in result.stdout


def test_bench_of_a_url_needs_no_file(tmp_path: Path, load: FakeGenerator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["bench", "http://127.0.0.1:8200/x", "--rate", "50", "-d", "2s", "--json", "--save", "--hgrm", "a/b.hgrm"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0
    data = json.loads(result.stdout)
    assert (data["schema"], data["subjects"][0]["request"]["url"]) == ("nautilus.bench/1", "http://127.0.0.1:8200/x")
    assert load.profiles[0].duration == 2
    (saved,) = (tmp_path / ".nautilus/bench").glob("*.json")
    assert json.loads(saved.read_text()) == data
    assert "#[Max" in (tmp_path / "a/b.hgrm").read_text()


def test_bench_is_interrupted_with_130_and_a_report(cli: Cli, load: FakeGenerator) -> None:
    promise(cli)
    load.stop_at = 2
    result = cli.run("bench")
    assert result.exit_code == errors.INTERRUPTED
    assert re.search(r"risk +1/1 +1,000", result.stdout)


def test_bench_is_strict_about_its_generator_only_when_asked(cli: Cli, load: FakeGenerator) -> None:
    promise(cli)
    load.health = {"late_p99": 0.05}
    assert cli.run("bench", "risk", "--rate", "50").exit_code == 0
    assert cli.run("bench", "risk", "--rate", "50", "--strict").exit_code == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rsk"], "did you mean 'risk'?; a URL begins with http://"),
        (["http://192.0.2.1"], "add --allow-remote"),
        (["risk", "--sweep", "1,x"], "'x' is not a number of connections"),
        (["risk", "--slo", "p95=1ms"], "'p95=1ms' is no objective"),
        (["risk", "--rate", "5", "--sweep", "1"], "are different measurements"),
        (["risk", "--body", "@nothere"], "'nothere' cannot be read: No such file or directory"),
        (["--hgrm", "x"], "--hgrm writes one distribution"),
        (["risk", "--duration", "soon"], "--duration: 'soon' is not a duration"),
    ],
)
def test_bench_refuses_what_makes_no_sense_and_loads_nothing(
    cli: Cli, load: FakeGenerator, words: list[str], said: str
) -> None:
    result = cli.run("bench", *words)
    assert result.exit_code == 2
    assert said in result.stderr
    assert load.profiles == []


def test_the_first_signal_of_a_bench_only_ends_the_run() -> None:
    with stopping() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.wait(5)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_saved_run_is_listed_told_again_and_compared(cli: Cli, load: FakeGenerator, tmp_path: Path) -> None:
    promise(cli, slo={"p99": "20ms"}, bench={"rate": 100})
    assert cli.run("bench", "history").stdout == "no run is saved here: `nautilus bench --save` keeps a run\n"
    assert "error: no run is saved here" in cli.run("bench", "report").stderr
    live = cli.run("bench", "risk", "--save")
    (kept,) = (tmp_path / ".nautilus/bench").glob("*.json")
    assert re.search(rf"{kept.stem} +risk +100/s +1,000", cli.run("bench", "history").stdout)
    (row,) = json.loads(cli.run("bench", "history", "--json").stdout)["runs"]
    assert (row["run"], row["subject"], row["load"]) == (kept.stem, "risk", "100/s")
    assert cli.run("bench", "report").stdout == live.stdout
    for name in (kept.stem, kept.stem[:8], str(kept)):
        assert json.loads(cli.run("bench", "report", name, "--json").stdout) == json.loads(kept.read_text())
    same = cli.run("bench", "compare", kept.stem, str(kept), "--fail-above", "1%")
    assert same.exit_code == 0
    assert re.search(r"risk +64 connections +requests/s .* noise", same.stdout)
    assert "nothing that changed between them" in " ".join(same.stdout.split())
    (kept.parent / "broken.json").write_text("{")
    history = cli.run("bench", "history")
    assert "broken.json: holds no results of nautilus bench" in history.stderr
    assert kept.stem in history.stdout


def test_a_bench_is_written_as_markdown_and_as_a_page(cli: Cli, load: FakeGenerator, tmp_path: Path) -> None:
    promise(cli)
    live = cli.run("bench", "risk", "--rate", "100", "--markdown", "--html", str(tmp_path / "a/live.html"), "--save")
    assert live.exit_code == 0
    assert "| measured at |" in live.stdout
    again = cli.run("bench", "report", "--markdown", "--html", str(tmp_path / "again.html"))
    assert again.stdout == live.stdout
    page = (tmp_path / "a/live.html").read_text()
    assert page.count("<svg") == 3
    assert (tmp_path / "again.html").read_text() == page
    assert cli.run("bench", "risk", "--json", "--markdown").exit_code == 2


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> Two:
    """The load generator, whose target on port 8200 holds half of what the other one does."""
    generator = Two(capacity=500)
    monkeypatch.setattr("nautilus_cli.bench.apart.run", generator)
    return generator


FIRST, SECOND = "http://127.0.0.1:8100/", "http://127.0.0.1:8200/"


def test_a_slower_url_fails_a_comparison_only_when_asked(cli: Cli, two: Two) -> None:
    result = cli.run("bench", "compare", FIRST, SECOND)
    assert result.exit_code == 0
    assert re.search(r"16 connections +requests/s +1,000 +500 +-50.0% .* slower", result.stdout)
    assert [load for _, load in two.order if isinstance(load, Open)] == [Open(250)] * 10  # five rounds of both
    failed = cli.run("bench", "compare", FIRST, SECOND, "-c", "16", "--fail-above", "10%", "--json", "--rounds", "3")
    assert failed.exit_code == 1
    data = json.loads(failed.stdout)
    assert (data["schema"], data["rounds"], data["paired"]) == ("nautilus.bench.compare/1", 3, True)
    assert data["regressions"][0] == "requests/s at 127.0.0.1:8100, 16 connections by at least 50.0%"
    better = cli.run("bench", "compare", SECOND, FIRST, "-c", "16", "--fail-above", "10%")
    assert (better.exit_code, "faster" in better.stdout) == (0, True)


def test_a_comparison_that_is_interrupted_is_130_and_one_without_a_target_is_1(cli: Cli, two: Two) -> None:
    two.targets[8200].stop_at = 3
    assert cli.run("bench", "compare", FIRST, SECOND).exit_code == errors.INTERRUPTED
    two.targets[8200].refused = True
    gone = cli.run("bench", "compare", FIRST, SECOND)
    assert gone.exit_code == 1
    assert "it does not answer" in gone.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["compare", "rsk", "risk"], "did you mean 'risk'?"),
        (["compare", FIRST, "https://x/"], "plain HTTP only"),
        (["compare", FIRST, SECOND, "--fail-above", "lots"], "--fail-above: 'lots' is not a share; write 0.1% or 70%"),
        (["report", "yesterday"], "there is no saved run 'yesterday'"),
        (["report", __file__], "test_main.py: holds no results of nautilus bench"),
        (["--", "history"], "'history' is no engine of fleet 'demo'"),
        (["--rate", "5", "report"], "'report' is no engine of fleet 'demo'"),
    ],
)
def test_the_commands_of_bench_refuse_what_makes_no_sense(
    cli: Cli, load: FakeGenerator, words: list[str], said: str
) -> None:
    result = cli.run("bench", *words)
    assert result.exit_code == 2
    assert said in result.stderr
    assert load.profiles == []


def test_a_saved_run_is_not_compared_with_an_engine(cli: Cli, load: FakeGenerator, tmp_path: Path) -> None:
    promise(cli)
    cli.run("bench", "risk", "--rate", "50", "--save")
    (kept,) = (tmp_path / ".nautilus/bench").glob("*.json")
    result = cli.run("bench", "compare", kept.stem, "risk")
    assert result.exit_code == 2
    assert f"'{kept.stem}' is a saved run, and 'risk' is none" in result.stderr


def test_an_engine_may_have_the_name_of_a_command(cli: Cli, load: FakeGenerator) -> None:
    cli.write({**FILE, "engines": {"report": FILE["engines"]["risk"]}})  # type: ignore[index]
    cli.run("up")
    for words in (["--", "report"], ["--rate", "50", "report"]):
        result = cli.run("bench", *words)
        assert result.exit_code == 0
        assert "report: the generator was healthy" in result.stdout
