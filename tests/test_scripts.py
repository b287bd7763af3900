"""The shell scripts and the Makefile, run with stand-ins for every command that would change the host."""

import http.server
import os
import pty
import re
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = ROOT / "scripts"
SHELL_SCRIPTS = sorted(
    path
    for path in [*SCRIPTS.iterdir(), ROOT / ".ci" / "run"]
    if path.is_file() and path.read_bytes().startswith(b"#!/usr/bin/env bash")
)
CERTIFICATE = "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n"

debian = pytest.mark.skipif(
    not Path("/etc/debian_version").exists() or shutil.which("flock") is None, reason="the path of Debian and Ubuntu"
)

Result = subprocess.CompletedProcess[str]


@dataclass
class Sandbox:
    """A folder of stand-in commands that come first on PATH, and a record of what they were called with."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)

    @property
    def calls(self) -> list[str]:
        record = self.folder / "calls"
        return record.read_text().splitlines() if record.exists() else []

    def fake(self, name: str, body: str = "exit 0") -> None:
        path = self.folder / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'#!/usr/bin/env bash\nprintf "%s\\n" "{name} $*" >>"{self.folder}/calls"\n{body}\n')
        path.chmod(0o755)

    def environment(self) -> dict[str, str]:
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("DOCKER_", "NAUTILUS_"))}
        run = {"NAUTILUS_RUN_DIR": str(self.folder), "NAUTILUS_LOG_DIR": str(self.folder)}
        return inherited | run | self.env | {"PATH": f"{self.folder}/bin:{os.environ['PATH']}"}

    def run(self, *command: str | Path, stdin: int = subprocess.DEVNULL) -> Result:
        return subprocess.run(
            command, cwd=ROOT, env=self.environment(), stdin=stdin, capture_output=True, text=True, check=False
        )

    def start(self, *command: str | Path) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command, cwd=ROOT, env=self.environment(), stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True
        )

    def call(self, script: str, code: str) -> Result:
        """Runs shell code with the functions of one script at hand."""
        return self.run("bash", "-c", f'set -eu; source "{SCRIPTS / script}"; {code}')


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    box = Sandbox(tmp_path)
    box.fake("docker", "exit 1")
    for name in ("apt-get", "dockerd", "systemctl", "debootstrap"):
        box.fake(name, "exit 1")
    return box


def changes(box: Sandbox) -> list[str]:
    return [call for call in box.calls if not call.startswith("docker ")]


# --- every script


@pytest.mark.parametrize("script", SHELL_SCRIPTS, ids=lambda path: path.name)
def test_shell_scripts_are_executable_and_parse(script: Path) -> None:
    assert os.access(script, os.X_OK)
    assert subprocess.run(["bash", "-n", script], capture_output=True, text=True, check=False).stderr == ""


def test_make_help_lists_every_target() -> None:
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None
    shown = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.findall(r"^  make (\S+) +\S", shown, re.MULTILINE) == phony[1].split()


# --- docker-up


def test_docker_up_leaves_a_daemon_that_answers_alone(sandbox: Sandbox) -> None:
    sandbox.fake("docker", "echo 99.1")
    result = sandbox.run(SCRIPTS / "docker-up")
    assert (result.returncode, result.stdout) == (0, "docker-up: Docker 99.1 answers already\n")
    assert sandbox.calls == ["docker info --format {{.ServerVersion}}"]


def test_docker_up_refuses_unknown_arguments(sandbox: Sandbox) -> None:
    result = sandbox.run(SCRIPTS / "docker-up", "--force")
    assert result.returncode == 2
    assert result.stderr.startswith("Usage: scripts/docker-up")
    assert sandbox.calls == []


@debian
def test_docker_up_tells_a_user_who_is_not_root_what_to_do(sandbox: Sandbox) -> None:
    sandbox.fake("id", "echo 1000")
    result = sandbox.run(SCRIPTS / "docker-up")
    assert result.returncode == 1
    assert "sudo scripts/docker-up" in result.stderr
    assert changes(sandbox) == ["id -u"]


def test_docker_up_tells_a_mac_to_start_docker_desktop(sandbox: Sandbox) -> None:
    sandbox.fake("uname", "echo Darwin")
    result = sandbox.run(SCRIPTS / "docker-up")
    assert result.returncode == 1
    assert "Docker Desktop" in result.stderr
    assert changes(sandbox) == ["uname -s"]


def test_docker_up_starts_nothing_when_the_client_is_pointed_elsewhere(sandbox: Sandbox) -> None:
    sandbox.env["DOCKER_HOST"] = "tcp://192.0.2.1:2375"
    result = sandbox.run(SCRIPTS / "docker-up")
    assert result.returncode == 1
    assert "DOCKER_HOST=tcp://192.0.2.1:2375 does not answer" in result.stderr
    assert changes(sandbox) == []


def test_docker_up_starts_nothing_when_another_context_is_in_use(sandbox: Sandbox) -> None:
    sandbox.fake("docker", '[ "$1" = context ] && echo colima')
    result = sandbox.run(SCRIPTS / "docker-up")
    assert result.returncode == 1
    assert "context 'colima' does not answer" in result.stderr
    assert changes(sandbox) == []


def with_daemon(box: Sandbox) -> Sandbox:
    """A root's machine whose daemon answers once it has been started."""
    start = f'echo started >>"{box.folder}/starts"; : >"{box.folder}/up"'
    box.fake("id", "echo 0")
    box.fake("iptables")
    box.fake("docker", f'[ "$1" = info ] && [ -f "{box.folder}/up" ] && echo 99.1')
    box.fake("dockerd", start)
    box.fake("systemctl", start)
    return box


@debian
def test_docker_up_starts_a_daemon_that_is_installed(sandbox: Sandbox) -> None:
    result = with_daemon(sandbox).run(SCRIPTS / "docker-up")
    assert (result.returncode, result.stdout) == (0, "docker-up: Docker 99.1 answers now\n")
    assert not [call for call in sandbox.calls if call.startswith("apt-get")]


@debian
def test_two_callers_start_one_daemon(sandbox: Sandbox) -> None:
    with_daemon(sandbox)
    callers = [sandbox.start(SCRIPTS / "docker-up") for _ in range(2)]
    outputs = [caller.communicate()[0] for caller in callers]
    assert [caller.returncode for caller in callers] == [0, 0], outputs
    assert (sandbox.folder / "starts").read_text() == "started\n"


@debian
@pytest.mark.skipif(Path("/run/systemd/system").exists(), reason="systemd starts the daemon")
def test_the_daemon_keeps_no_pipe_of_its_caller_open(sandbox: Sandbox) -> None:
    opened = sandbox.folder / "opened"
    with_daemon(sandbox).fake("dockerd", f'readlink /proc/$$/fd/* >"{opened}"; : >"{sandbox.folder}/up"')
    reader, writer = os.pipe()
    with os.fdopen(reader), os.fdopen(writer):
        done = subprocess.run(
            [SCRIPTS / "docker-up"],
            env=sandbox.environment(),
            stdin=subprocess.DEVNULL,
            pass_fds=[writer],
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0
        assert opened.read_text().splitlines()
        assert str(Path(f"/proc/self/fd/{writer}").readlink()) not in opened.read_text()


@debian
@pytest.mark.skipif(Path("/run/systemd/system").exists(), reason="systemd keeps its own log")
def test_docker_up_shows_why_a_daemon_ended(sandbox: Sandbox) -> None:
    with_daemon(sandbox).fake("dockerd", "echo 'no space left on device'; exit 1")
    result = sandbox.run(SCRIPTS / "docker-up")
    assert result.returncode == 1
    assert "no space left on device" in result.stderr
    assert "dockerd ended at once" in result.stderr


@debian
def test_docker_up_asks_on_a_terminal_and_takes_no_for_an_answer(sandbox: Sandbox) -> None:
    with_daemon(sandbox)
    keyboard, terminal = pty.openpty()
    try:
        os.write(keyboard, b"n\n")
        result = sandbox.run(SCRIPTS / "docker-up", stdin=terminal)
    finally:
        os.close(terminal)
        os.close(keyboard)
    assert result.returncode == 1
    assert "nothing was changed" in result.stderr
    assert not (sandbox.folder / "starts").exists()


# --- offline-images


def env_file(box: Sandbox, text: str | None = None) -> Path:
    path = box.folder / ".env"
    box.env["NAUTILUS_ENV_FILE"] = str(path)
    if text is not None:
        path.write_text(text)
    return path


def write_env(box: Sandbox, with_tests: str = "") -> None:
    result = box.call("offline-images", f"with_tests={with_tests}; write_env")
    assert result.returncode == 0, result.stderr


def test_env_is_made_for_its_owner_only(sandbox: Sandbox) -> None:
    path = env_file(sandbox)
    write_env(sandbox)
    assert path.read_text() == "NAUTILUS_BASE_IMAGE=nautilus/base:trixie\nNAUTILUS_REDIS_IMAGE=nautilus/redis:trixie\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_env_keeps_the_users_values_and_gets_the_missing_ones(sandbox: Sandbox) -> None:
    path = env_file(sandbox, "# mine\nexport NAUTILUS_BASE_IMAGE=mine:1\nTOKEN=a=b")
    path.chmod(0o644)
    write_env(sandbox, with_tests="yes")
    assert path.read_text() == (
        "# mine\nexport NAUTILUS_BASE_IMAGE=mine:1\nTOKEN=a=b\n"
        "NAUTILUS_REDIS_IMAGE=nautilus/redis:trixie\nNAUTILUS_TEST_NGINX_IMAGE=nautilus/nginx:trixie\n"
    )
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_env_is_not_written_twice(sandbox: Sandbox) -> None:
    path = env_file(sandbox)
    write_env(sandbox, with_tests="yes")
    first = path.read_text()
    write_env(sandbox, with_tests="yes")
    assert path.read_text() == first


def test_offline_images_needs_a_daemon(sandbox: Sandbox) -> None:
    env_file(sandbox)
    result = sandbox.run(SCRIPTS / "offline-images")
    assert result.returncode == 1
    assert "scripts/docker-up" in result.stderr


def test_offline_images_does_nothing_where_the_official_images_are(sandbox: Sandbox) -> None:
    path = env_file(sandbox)
    sandbox.fake("docker")
    result = sandbox.run(SCRIPTS / "offline-images", "--with-tests")
    assert result.returncode == 0, result.stderr
    assert "python:3.13-slim-bookworm redis:8-alpine are present" in result.stdout
    assert not path.exists()
    assert changes(sandbox) == []


def test_offline_images_pulls_where_a_registry_answers(sandbox: Sandbox) -> None:
    path = env_file(sandbox)
    sandbox.fake("docker", '[ "$1" != image ]')
    assert sandbox.run(SCRIPTS / "offline-images").returncode == 0
    assert "docker pull -q redis:8-alpine" in sandbox.calls
    assert not path.exists()


@debian
def test_offline_images_tells_a_user_who_is_not_root_what_to_do(sandbox: Sandbox) -> None:
    path = env_file(sandbox)
    sandbox.fake("docker", '[ "$1" = info ]')
    sandbox.fake("id", "echo 1000")
    result = sandbox.run(SCRIPTS / "offline-images")
    assert result.returncode == 1
    assert "sudo scripts/offline-images" in result.stderr
    assert not path.exists()


def test_offline_images_does_nothing_when_the_recipe_has_not_changed(sandbox: Sandbox) -> None:
    path = env_file(sandbox)
    recipes = sandbox.call("offline-images", "base_recipe; helper_recipe redis").stdout.split()
    answers = f"*--format*base*) echo {recipes[0]} ;; *--format*redis*) echo {recipes[1]} ;;"
    sandbox.fake("docker", f'case "$*" in info) ;; {answers} *) exit 1 ;; esac')
    result = sandbox.run(SCRIPTS / "offline-images")
    assert result.returncode == 0, result.stderr
    assert "nothing to do" in result.stdout
    assert "NAUTILUS_REDIS_IMAGE=nautilus/redis:trixie" in path.read_text()
    assert changes(sandbox) == []


def test_a_changed_certificate_bundle_changes_every_recipe(sandbox: Sandbox) -> None:
    bundle = sandbox.folder / "bundle.crt"
    sandbox.env["NAUTILUS_CA_BUNDLE"] = str(bundle)
    seen: list[list[str]] = []
    for name in ("A", "A", "B"):
        bundle.write_text(CERTIFICATE.format(name))
        seen.append(sandbox.call("offline-images", "base_recipe; helper_recipe redis").stdout.split())
    assert seen[0] == seen[1]
    assert not set(seen[0]) & set(seen[2])


def test_the_base_image_gets_only_the_certificates_that_it_lacks(sandbox: Sandbox) -> None:
    sandbox.fake("chroot")
    tree, host = sandbox.folder / "tree", sandbox.folder / "host.crt"
    sandbox.env["NAUTILUS_CA_BUNDLE"] = str(host)
    own = tree / "etc/ssl/certs/ca-certificates.crt"
    extra = tree / "usr/local/share/ca-certificates"
    for folder in (own.parent, extra):
        folder.mkdir(parents=True)
    own.write_text(CERTIFICATE.format("A") + CERTIFICATE.format("B"))
    host.write_text("# a comment\n" + CERTIFICATE.format("B") + CERTIFICATE.format("C") + CERTIFICATE.format("C"))
    result = sandbox.call("offline-images", f'install_host_certificates "{tree}"')
    assert result.returncode == 0, result.stderr
    assert {path.name: path.read_text() for path in extra.iterdir()} == {"host-1.crt": CERTIFICATE.format("C")}
    assert sandbox.calls == [f"chroot {tree} update-ca-certificates"]


def test_a_failing_step_stops_the_build_and_shows_its_output(sandbox: Sandbox) -> None:
    code = "step() { echo one; false; echo two; }; run_logged step; echo after"
    result = sandbox.call("offline-images", f'work="{sandbox.folder}"; {code}')
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr == "one\noffline-images: 'step' failed; the end of its output stands above.\n"


@pytest.mark.docker
def test_a_second_run_of_offline_images_is_a_no_op(tmp_path: Path) -> None:
    env = os.environ | {"NAUTILUS_ENV_FILE": str(tmp_path / ".env")}
    command = [SCRIPTS / "offline-images"]
    subprocess.run(command, env=env, check=True, capture_output=True)
    before = own_images()
    second = subprocess.run(command, env=env, check=True, capture_output=True, text=True)
    assert "nothing to do" in second.stdout
    assert own_images() == before


def own_images() -> str:
    command = ["docker", "image", "inspect", "--format", "{{.Id}}", "nautilus/base:trixie", "nautilus/redis:trixie"]
    return subprocess.run(command, check=False, capture_output=True, text=True).stdout


# --- make-venv


def test_install_wants_a_python_that_is_new_enough(sandbox: Sandbox) -> None:
    sandbox.fake("python2", '[ "$1" = -V ] && echo "Python 2.7.18"')
    sandbox.env |= {"PYTHON": "python2", "NAUTILUS_VENV": str(sandbox.folder / "venv")}
    result = sandbox.run(SCRIPTS / "make-venv")
    assert result.returncode == 1
    assert "needs Python 3.11 or newer, and 'python2' is Python 2.7.18" in result.stderr
    assert not (sandbox.folder / "venv").exists()


def test_install_names_a_python_that_does_not_exist(sandbox: Sandbox) -> None:
    sandbox.env |= {"PYTHON": "no-such-python", "NAUTILUS_VENV": str(sandbox.folder / "venv")}
    result = sandbox.run(SCRIPTS / "make-venv")
    assert result.returncode == 1
    assert "there is no 'no-such-python'" in result.stderr


def test_install_says_which_package_is_missing(sandbox: Sandbox) -> None:
    sandbox.fake("id", "echo 1000")
    sandbox.fake("bare-python", 'case "$2" in *ensurepip*) exit 1 ;; *print*) echo 3.11 ;; esac')
    sandbox.env |= {"PYTHON": "bare-python", "NAUTILUS_VENV": str(sandbox.folder / "venv")}
    result = sandbox.run(SCRIPTS / "make-venv")
    assert result.returncode == 1
    assert "sudo apt-get install python3.11-venv" in result.stderr


# --- test


def fake_pytest(box: Sandbox, code: int) -> None:
    folder = box.folder / "venv" / "bin"
    folder.mkdir(parents=True)
    box.fake("python", f'case "$*" in *--collect-only*) echo "tests/test_x.py::test_y" ;; *) exit {code} ;; esac')
    (box.folder / "bin" / "python").rename(folder / "python")
    box.env["NAUTILUS_VENV"] = str(box.folder / "venv")


@pytest.mark.parametrize("code", [0, 1, 5])
def test_without_docker_the_rest_is_tested_and_the_gap_is_named(sandbox: Sandbox, code: int) -> None:
    sandbox.fake("uname", "echo Darwin")
    fake_pytest(sandbox, code)
    result = sandbox.run(SCRIPTS / "test", "-x")
    assert result.returncode == code
    assert "python -m pytest -m not docker -x" in sandbox.calls
    assert "NOT TESTED: the 1 tests below need Docker" in result.stdout
    assert "Docker Desktop" in result.stdout
    assert "tests/test_x.py::test_y" in result.stdout


@pytest.mark.parametrize("code", [0, 1, 5])
def test_with_docker_everything_is_tested(sandbox: Sandbox, code: int) -> None:
    env_file(sandbox)
    sandbox.fake("docker", "echo 99.1")
    fake_pytest(sandbox, code)
    result = sandbox.run(SCRIPTS / "test", "-x")
    assert result.returncode == code, result.stderr
    assert sandbox.calls[-1] == "python -m pytest -x"
    assert "NOT TESTED" not in result.stdout


# --- ask_engines


class Engine(http.server.BaseHTTPRequestHandler):
    """Answers /ask and nothing else."""

    def do_GET(self) -> None:
        body = b'{"risk":\n 1}'
        self.send_response(200 if self.path == "/ask" else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Keeps the test's output clean."""


@pytest.fixture
def port() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Engine)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(("path", "code", "said"), [("/ask", 0, '200 from ?: {"risk": 1}'), ("/other", 1, "404")])
def test_every_engine_is_asked_once(sandbox: Sandbox, port: int, path: str, code: int, said: str) -> None:
    url = f"http://127.0.0.1:{port}{path}"
    result = sandbox.run(sys.executable, SCRIPTS / "ask_engines.py", url)
    assert result.returncode == code, result.stderr
    assert result.stdout.startswith(f"\n$ curl {url}\n")
    assert said in result.stdout
