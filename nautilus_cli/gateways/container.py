"""The gateway's container as something to look into, to write to and to run commands in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from docker import APIClient
from docker.errors import APIError, NotFound

from nautilus_cli.errors import RolloutFailed
from nautilus_cli.gateways import archive
from nautilus_cli.gateways.shape import CONFIG, USER


class Container:
    """One container under its name or id, whether it is there or not."""

    def __init__(self, api: APIClient, name: str) -> None:
        self.api, self.name = api, name

    def inspect(self) -> dict[str, Any] | None:
        """What Docker knows of it; None where there is none."""
        try:
            return dict(self.api.inspect_container(self.name))
        except NotFound:
            return None

    def read(self, path: str) -> str | None:
        """The text of one of its files; None where there is none."""
        return archive.read(self.api, self.name, path)

    def write(self, files: Mapping[str, str]) -> None:
        """Put these files, by path, into the gateway's directory."""
        relative = {path.removeprefix(f"{CONFIG}/"): text for path, text in files.items()}
        archive.write(self.api, self.name, CONFIG, relative, USER)

    def attempt(self, script: str) -> tuple[int, str]:
        """The exit code and the words of a shell script inside; -1 and Docker's words where it cannot run."""
        try:
            made = self.api.exec_create(self.name, ["sh", "-c", script])
            output = self.api.exec_start(made["Id"]).decode(errors="replace")
            return int(self.api.exec_inspect(made["Id"])["ExitCode"]), output
        except APIError as error:
            return -1, error.explanation or str(error)

    def run(self, script: str) -> None:
        """Run a shell script inside; RolloutFailed with its words where it fails."""
        code, output = self.attempt(script)
        if code:
            raise RolloutFailed(f"the gateway {self.name} fails: {output.strip()}", "run `nautilus up` again")

    def said(self) -> str:
        """What HAProxy said since it last began to read its configuration."""
        words = self.api.logs(self.name, tail=60).decode(errors="replace")
        return words[max(0, words.rfind("Reexecuting Master"), words.rfind("Reloading HAProxy")) :]

    def discard(self) -> None:
        """Remove it, running or not; none is no error."""
        try:
            self.api.remove_container(self.name, force=True)
        except NotFound:
            return
