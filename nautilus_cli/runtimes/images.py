"""Images: what each workload should run, built or pulled where it is not there yet."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import docker.auth
import docker.errors
import docker.utils
import requests
import urllib3
from docker.api.client import APIClient

from nautilus_cli.errors import BuildFailed
from nautilus_cli.events import Emit, Event, Phase
from nautilus_cli.fleet import Build, Engine, Fleet, Service
from nautilus_cli.gateways.refusal import MAKE_ROOM, full
from nautilus_cli.runtimes import sources
from nautilus_cli.runtimes.context import Recipe, memory_recipe, read_recipe
from nautilus_cli.runtimes.progress import BuildLog, PullLog, shorten
from nautilus_cli.runtimes.streams import Messages, Streams, Turns
from nautilus_cli.snapshot import Image

# Not the names that containers bear: a container inherits its image's labels, and would pass for a replica.
FLEET, ENGINE, CONTENT = "io.nautilus.image.fleet", "io.nautilus.image.engine", "io.nautilus.image.content"
UNKNOWN = "base-missing"  # the tag of an image whose base is not here: its content cannot be known yet
KEEP = 3
Present = Callable[[str], Image]  # looks at an image; without an id where it is not here
LOST = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)
SILENCE = 60.0  # seconds; a daemon gives up a registry that does not answer after about 25


class Images:
    """The images of one fleet on one Docker host; safe to use from several threads."""

    def __init__(self, api: APIClient, fleet: Fleet) -> None:
        self._api = api
        self._fleet = fleet
        self._turns = Turns()
        self._streams = Streams(api)
        self._pulled: set[str] = set()

    def wanted(self, workload: Engine | Service, present: Present | None = None) -> Image:
        """The image that a workload should run; without an id where it has to be built or pulled first."""
        present = present or self._present
        if recipe := recipe_of(self._fleet, workload):
            return self._wanted(recipe, present)
        return present(_reference(workload))

    def wanted_all(self, workloads: Mapping[str, Engine | Service]) -> dict[str, Image]:
        """The same of many: an image that several are built on is looked at once."""
        present = cache(self._present)
        return {name: self.wanted(workload, present) for name, workload in workloads.items()}

    def ensure(self, workload: Engine | Service, emit: Emit) -> None:
        """The wanted image is present afterwards, or `BuildFailed` says why not; nothing is done where it is."""
        if recipe := recipe_of(self._fleet, workload):
            self._ensure(recipe, emit)
        elif self.wanted(workload).id is None:
            self._pull(workload.name, _reference(workload), emit)

    def wanted_recipe(self, name: str, files: Mapping[str, bytes], args: Mapping[str, str]) -> Image:
        """As `wanted`, for files that are nowhere on disk."""
        return self._wanted(memory_recipe(name, files, args), self._present)

    def ensure_recipe(self, name: str, files: Mapping[str, bytes], args: Mapping[str, str], emit: Emit) -> None:
        """As `ensure`, for files that are nowhere on disk."""
        self._ensure(memory_recipe(name, files, args), emit)

    def pull(self, workload: Engine | Service, emit: Emit) -> tuple[str, ...]:
        """Ask the registries again for a workload's image or its bases; those that have changed."""
        if recipe := recipe_of(self._fleet, workload):
            return self._renew(recipe.name, [name for name in recipe.script.images if name], emit)
        return self._renew(workload.name, [_reference(workload)], emit)

    def pull_recipe(
        self, name: str, files: Mapping[str, bytes], args: Mapping[str, str], emit: Emit
    ) -> tuple[str, ...]:
        """As `pull`, for the bases of files that are nowhere on disk."""
        return self._renew(name, list(memory_recipe(name, files, args).script.images), emit)

    def prune(self, names: Iterable[str]) -> tuple[str, ...]:
        """Remove this fleet's images of these engines that no container uses, but the newest three; says which."""
        used = {container["ImageID"] for container in self._api.containers(all=True)}
        removed = []
        for name in sorted(names):
            for image in self._images(name)[KEEP:]:
                if image["Id"] not in used:
                    removed += [tag for tag in image["RepoTags"] or () if self._remove(tag)]
        return tuple(removed)

    def cancel(self) -> None:
        """Every build and pull of this object ends with `BuildFailed` now, and Docker stops its steps."""
        self._streams.cancel()

    def _wanted(self, recipe: Recipe, present: Present) -> Image:
        bases = _bases(recipe, present)
        if None in bases.values():
            return Image(f"{self._fleet.name}/{recipe.name}:{UNKNOWN}")
        return present(f"{self._fleet.name}/{recipe.name}:{recipe.pack(_known(bases))}")

    def _present(self, reference: str) -> Image:
        try:
            return Image(reference, self._inspect(reference)["Id"])
        except docker.errors.ImageNotFound:
            return Image(reference)
        except docker.errors.APIError as problem:
            if problem.status_code == 400:
                raise BuildFailed(f"'{reference}' is not the name of an image", "Look at its spelling.") from None
            raise

    def _ensure(self, recipe: Recipe, emit: Emit) -> None:
        for base, id in _bases(recipe, self._present).items():
            if id is None:
                self._pull(recipe.name, base, emit)
        bases = _known(_bases(recipe, self._present))
        with tempfile.TemporaryFile() as tar:
            content = recipe.pack(bases, tar, sources.ca_bundle(os.environ) if recipe.takes_ca else None)
            reference = f"{self._fleet.name}/{recipe.name}:{content}"
            with self._turns.alone(reference):
                if self._present(reference).id is None:
                    tar.seek(0)
                    self._build(recipe, reference, bases, tar, emit)

    def _build(self, recipe: Recipe, reference: str, bases: Mapping[str, str], tar: BinaryIO, emit: Emit) -> None:
        shared = json.dumps([recipe.text, sorted((k, v) for k, v in recipe.args.items() if k != "ENGINE"), bases])
        with _told(recipe.name, "build", reference, emit) as done, self._turns.first(shared):
            log = self._run(recipe, reference, tar, self._build_args(recipe, emit), _steps(recipe.name, "build", emit))
            for warning in log.warnings:
                emit(Event(recipe.name, "build", Phase.WARNING, warning))
            if log.error or log.image is None:  # each stage that was finished has given an id
                raise self._failure(recipe, log)
            done(f"{reference} {self._tag(log.image, reference) / 1e6:.0f}MB")

    def _run(
        self, recipe: Recipe, reference: str, tar: BinaryIO, args: Mapping[str, str], step: Callable[[str], None]
    ) -> BuildLog:
        """What Docker said of the build. The image gets no tag here, so that a build cut short leaves none."""
        log = BuildLog()
        try:
            messages = self._api.build(
                fileobj=tar, custom_context=True, decode=True, rm=True, forcerm=True, dockerfile=recipe.dockerfile,
                buildargs=dict(args), target=recipe.target, labels=self._labels(recipe, reference),
            )  # fmt: skip
            self._listen(messages, log, step)
        except docker.errors.APIError as problem:
            log.error = str(problem.explanation)
        except LOST as problem:
            log.error = f"the connection to Docker broke: {problem}"
        return log

    def _listen(self, messages: Messages, log: BuildLog | PullLog, step: Callable[[str], None]) -> None:
        with self._streams.follow(messages) as stream:
            for message in stream:
                if text := log.feed(message):
                    step(text)

    def _build_args(self, recipe: Recipe, emit: Emit) -> dict[str, str]:
        """The recipe's arguments, and how to fetch: pip's settings where they are declared, proxies always."""
        script = recipe.script
        settings = {k: v for k, v in sources.pip_settings(os.environ).items() if k in script.declared}
        for name in sorted(settings.keys() & script.recorded):
            if sources.has_password(settings[name]):
                text = f"{name} holds a password, which the image would keep: declare it in an earlier stage; left out"
                emit(Event(recipe.name, "build", Phase.WARNING, text))
                del settings[name]
        declared = {k: v for k, v in recipe.args.items() if k != "ENGINE" or k in script.declared}
        return {**sources.proxies(os.environ), **settings, **declared}

    def _labels(self, recipe: Recipe, reference: str) -> dict[str, str]:
        stages = recipe.script.stages
        return {  # each costs a tenth of a second
            FLEET: self._fleet.name,
            ENGINE: recipe.name,
            CONTENT: reference.rpartition(":")[2],
            **({"org.opencontainers.image.base.name": stages[-1].base} if stages else {}),
        }

    def _tag(self, id: str, reference: str) -> int:
        """Give the image its name, unless another build of the same content was faster: a tag never moves."""
        present = self._present(reference).id
        if present is None:
            repository, tag = docker.utils.parse_repository_tag(reference)
            self._api.tag(id, repository, tag)
        elif present != id:
            self._remove(id)
        return self._size(reference)

    def _size(self, reference: str) -> int:
        return int(self._inspect(reference)["Size"])

    def _inspect(self, reference: str) -> dict[str, Any]:
        found: dict[str, Any] = self._api.inspect_image(reference)
        return found

    def _failure(self, recipe: Recipe, log: BuildLog) -> BuildFailed:
        if self._streams.cancelled:
            return BuildFailed(f"{recipe.name}: the build was interrupted", "Run it again: finished steps are kept.")
        where = f"{recipe.dockerfile} failed" + (f" at {log.step}" if log.step else "")
        lines = "".join(f"\n    {line}" for line in log.tail)
        hint = f"Correct {recipe.dockerfile} or what it copies and run the command again; the steps before are kept."
        if full("".join([log.error or "", lines])):
            hint = f"The disk of the Docker host is full: {MAKE_ROOM}."
        return BuildFailed(f"{recipe.name}: {where}: {log.error or 'it ended without an image'}{lines}", hint)

    def _pull(self, name: str, reference: str, emit: Emit) -> None:
        with self._turns.alone(reference):
            if self._present(reference).id:
                return
            with _told(name, "pull", reference, emit) as done:
                log = self._fetch(reference, _steps(name, "pull", emit))
                if log.error or self._present(reference).id is None:
                    raise self._missing(name, reference, log)
                done(f"{reference} {self._size(reference) / 1e6:.0f}MB")

    def _renew(self, name: str, references: Iterable[str], emit: Emit) -> tuple[str, ...]:
        """Pull each of them that this object has not pulled yet: engines share their bases."""
        return tuple(reference for reference in references if self._renewed(name, reference, emit))

    def _renewed(self, name: str, reference: str, emit: Emit) -> bool:
        with self._turns.alone(reference):
            if reference in self._pulled:
                return False
            before = self._present(reference).id
            with _told(name, "pull", reference, emit) as done:
                log = self._fetch(reference, _steps(name, "pull", emit))
                now = self._present(reference).id
                if log.error or now is None:
                    raise self._missing(name, reference, log)
                changed = now != before
                done(f"{reference} {f'{self._size(reference) / 1e6:.0f}MB' if changed else 'is up to date'}")
            self._pulled.add(reference)
            return changed

    def _fetch(self, reference: str, step: Callable[[str], None]) -> PullLog:
        """What Docker said of the pull. Not `api.pull`, which waits for a silent daemon without end."""
        repository, tag = docker.utils.parse_repository_tag(reference)
        header = docker.auth.get_config_header(self._api, docker.auth.resolve_repository_name(repository)[0])
        log = PullLog()
        try:
            response = self._api.post(
                f"{self._api.base_url}/v{self._api.api_version}/images/create",
                params={"fromImage": repository, "tag": tag or "latest"},
                headers={"X-Registry-Auth": header} if header else {},
                stream=True,
                timeout=SILENCE,
            )
            self._listen(map(json.loads, response.iter_lines()), log, step)
        except LOST as problem:
            log.error = f"Docker said nothing for {SILENCE:.0f} s or went away: {problem}"
        return log

    def _missing(self, name: str, reference: str, log: PullLog) -> BuildFailed:
        reason = "it was interrupted" if self._streams.cancelled else log.error or "the pull ended early"
        known = "is here but" if self._present(reference).id else "is not here and"
        return BuildFailed(
            f"{name}: image '{reference}' {known} cannot be pulled: {shorten(reason, 300)}",
            "Look at its spelling and log in to its registry (docker login). On a machine that reaches no registry, "
            "scripts/offline-images makes the images; name them in .env.",
        )

    def _images(self, name: str) -> list[dict[str, Any]]:
        """This fleet's images of one engine, newest first."""
        labels = [f"{FLEET}={self._fleet.name}", f"{ENGINE}={name}"]
        found: list[dict[str, Any]] = self._api.images(name=f"{self._fleet.name}/{name}", filters={"label": labels})
        return sorted(found, key=lambda image: (image["Created"], image["Id"]), reverse=True)

    def _remove(self, image: str) -> bool:
        try:
            self._api.remove_image(image)
        except docker.errors.APIError as problem:
            if problem.status_code in (404, 409):  # gone already, or in use by now
                return False
            raise
        return True


def recipe_of(fleet: Fleet, workload: Engine | Service) -> Recipe | None:
    """What an engine is built from; None for what has an image."""
    if not isinstance(workload, Engine) or workload.build is None:
        return None
    build, root = workload.build, Path(fleet.directory, workload.build.context)
    inputs = build.inputs or _inputs(root, workload.name)
    return read_recipe(workload.name, root, build.dockerfile, inputs, _args(build, workload.name), build.target)


@contextmanager
def _told(name: str, verb: str, what: str, emit: Emit) -> Iterator[Callable[[str], None]]:
    """Tells that a piece of work began, and how it ended."""
    began = time.monotonic()
    emit(Event(name, verb, Phase.STARTED, what))
    try:
        yield lambda text: emit(Event(name, verb, Phase.DONE, text, time.monotonic() - began))
    except BuildFailed as failure:
        emit(Event(name, verb, Phase.FAILED, failure.message.splitlines()[0], time.monotonic() - began))
        raise


def _steps(name: str, verb: str, emit: Emit) -> Callable[[str], None]:
    return lambda text: emit(Event(name, verb, Phase.PROGRESS, text))


def _bases(recipe: Recipe, present: Present) -> dict[str, str | None]:
    return {name: present(name).id for name in recipe.script.images if name}


def _known(bases: Mapping[str, str | None]) -> dict[str, str]:
    return {name: id for name, id in bases.items() if id is not None}


def _reference(workload: Engine | Service) -> str:
    if workload.image is None:
        raise AssertionError(f"{workload.name} has neither build nor image: the loader lets none through")
    return workload.image


def _args(build: Build, name: str) -> dict[str, str]:
    """ENGINE is the name of the engine's folder: an engine `order-book` may live in the Python package `order_book`."""
    package = name.replace("-", "_")
    return {"ENGINE": package if package in build.inputs else name, **build.args}


def _inputs(root: Path, name: str) -> tuple[str, ...]:
    """What belongs to an engine that does not say: the shared folder and its own, or else everything."""
    return tuple(part for part in ("base", name) if (root / part).is_dir()) if (root / name).is_dir() else (".",)
