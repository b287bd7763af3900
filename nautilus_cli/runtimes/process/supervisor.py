"""Keeps one replica alive after the command that started it has ended: `python -m ...supervisor FOLDER`.

It starts what FOLDER/spec.json says in a process group of its own, writes its output to FOLDER/log and its state to
FOLDER/state.json, and starts it again by its restart policy, later after each failure. SIGTERM stops the replica: its
own stop signal, its grace period, SIGKILL. When the supervisor itself is killed, the kernel kills the replica.

The call returns when the replica was started once: exit code 0, or 1 with the reason on the standard error.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from time import monotonic, time

from nautilus_cli.runtimes.process import cgroups
from nautilus_cli.runtimes.process.kernel import process
from nautilus_cli.runtimes.process.logfile import LogWriter
from nautilus_cli.runtimes.process.record import LOG, STATE, Spec, Status, read_bounds, read_spec, write

FIRST, LAST = 0.1, 60.0  # seconds before the first and before the latest restart, as Docker waits
LIVED = 10.0  # seconds after which a start counts as a success
EVENTS = "events"  # beside the folder of all replicas
PR_SET_PDEATHSIG = 1


class Supervisor:
    """One replica, from its start to its end."""

    def __init__(self, folder: Path, spec: Spec) -> None:
        self._folder, self._spec = folder, spec
        self._log = LogWriter(folder / LOG)
        self._output, self._input = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(self._input, True)
        self._status = Status(supervisor=process(os.getpid()))
        self._child: subprocess.Popen[bytes] | None = None
        self._started = self._due = monotonic()
        self._pause = FIRST
        self._cgroups: tuple[Path, ...] = ()
        self._kills = 0  # for want of memory, until it was started
        self._asked = False
        self._libc = ctypes.CDLL(None)
        self._wakes, wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: setattr(self, "_asked", True))
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def start(self) -> None:
        """Start the replica; `OSError` says why that is impossible."""
        spec, self._cgroups = self._spec, read_bounds(self._folder).folders
        self._kills = cgroups.kills(self._cgroups)
        self._child = self._popen(spec)
        self._started = monotonic()
        self._note(child=process(self._child.pid), since=time())
        self._tell("start", "started")

    def _popen(self, spec: Spec) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                spec.command,
                cwd=spec.folder,
                env=dict(spec.environment),
                stdin=subprocess.DEVNULL,
                stdout=self._input,
                stderr=self._input,
                process_group=0,
                preexec_fn=self._prepare,
            )
        except subprocess.SubprocessError:  # what is done before its command failed, and that may be one thing alone
            raise OSError(errno.EPERM, "cannot be entered", *map(str, self._cgroups[:1])) from None

    def run(self) -> None:
        """Watch it until it is stopped, or ends for good."""
        while not self._asked:
            if self._child is None and not self._again():
                return
            self._wait(None if self._child else max(0.0, self._due - monotonic()))
            self._reap()
        self._stop()

    def finish(self) -> None:
        """Nothing of it is left but its files."""
        self._drain()
        self._log.close()

    def _prepare(self) -> None:
        """In the child, before its command: limits hold, it dies with its supervisor, the gateway goes before it."""
        cgroups.enter(self._cgroups)
        self._libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        os.nice(self._spec.nice)

    def _again(self) -> bool:
        """Start it again when it is time; False when it has ended for good."""
        code = self._status.exit_code
        if self._spec.restart == "no" or (self._spec.restart == "on-failure" and code == 0):
            return False
        if monotonic() >= self._due:
            self._note(restarts=self._status.restarts + 1)
            try:
                self.start()
            except OSError as error:
                self._log.feed(f"nautilus: {reason(self._spec, error)}\n".encode())
                self._later()
        return True

    def _wait(self, seconds: float | None) -> None:
        ready, _, _ = select.select([self._wakes, self._output], [], [], seconds)
        if self._wakes in ready:
            with suppress(BlockingIOError):
                os.read(self._wakes, 4096)
        if self._output in ready:
            self._drain()

    def _drain(self) -> None:
        with suppress(BlockingIOError):
            while data := os.read(self._output, 1 << 16):
                self._log.feed(data)

    def _reap(self) -> None:
        """Write down how it ended, if it has; what it left in its group ends too."""
        if self._child is None or (code := self._child.poll()) is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)
        self._child = None
        self._drain()
        self._log.flush()
        code = 128 - code if code < 0 else code
        hungry = cgroups.kills(self._cgroups) > self._kills
        self._later()
        self._note(child=None, exit_code=code, oom_killed=hungry)
        if hungry:
            self._tell("oom", "ran out of memory")
        self._tell("die", f"exited with code {code}", code)

    def _later(self) -> None:
        if monotonic() - self._started >= LIVED:
            self._pause = FIRST
        self._due, self._pause = monotonic() + self._pause, min(self._pause * 2, LAST)

    def _stop(self) -> None:
        """Signal, grace period, kill."""
        self._signal(self._spec.signal)
        end = monotonic() + self._spec.grace
        while self._child and (left := end - monotonic()) > 0:
            self._wait(left)
            self._reap()
        self._signal(signal.SIGKILL)
        while self._child:
            self._wait(None)
            self._reap()
        self._tell("stop", "stopped")

    def _signal(self, number: int) -> None:
        if self._child:
            with suppress(ProcessLookupError):
                os.killpg(self._child.pid, number)

    def _note(self, **changes: object) -> None:
        self._status = replace(self._status, **changes)  # type: ignore[arg-type]
        write(self._folder / STATE, self._status)

    def _tell(self, kind: str, text: str, code: int | None = None) -> None:
        """One line among the events of the fleet: short enough to be written in one piece."""
        said = {"at": time(), "subject": self._spec.subject, "kind": kind, "text": text}
        line = json.dumps({**said, "container": self._spec.name, "exit_code": code}) + "\n"
        with (self._folder.parent.parent / EVENTS).open("a") as file:
            file.write(line)


def reason(spec: Spec, error: OSError) -> str:
    """Why a command cannot be started."""
    return f"{error.filename or spec.command[0]}: {(error.strerror or str(error)).lower()}"


def main(folder: Path) -> int:
    """Leave the caller behind, start the replica, say how that went, and stay with it."""
    spec = read_spec(folder)
    if spec is None:
        sys.exit(f"no specification in {folder}")
    said, say = os.pipe()
    if os.fork():
        os.close(say)
        with os.fdopen(said) as file:
            words = file.read()
        sys.stderr.write(words)
        return 1 if words else 0
    os.close(said)
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(null, standard)
    supervisor = Supervisor(folder, spec)
    try:
        supervisor.start()
    except OSError as error:
        os.write(say, reason(spec, error).encode())
        return 0
    os.close(say)
    supervisor.run()
    supervisor.finish()
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
