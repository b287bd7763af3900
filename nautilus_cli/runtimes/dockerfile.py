"""What a Dockerfile says before it is run: its stages, the images they start from and the arguments they take."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(?::([-+])([^}]*))?\})")


@dataclass(frozen=True, slots=True)
class Stage:
    """One `FROM` and what stands below it."""

    base: str  # an image, an earlier stage or 'scratch'
    name: str = ""
    args: frozenset[str] = frozenset()
    copies: tuple[str, ...] = ()  # what `COPY --from` names


@dataclass(frozen=True, slots=True)
class Script:
    """The stages up to the one that is built; a later stage takes no part in the image."""

    stages: tuple[Stage, ...]
    globals: frozenset[str] = frozenset()

    @property
    def images(self) -> tuple[str, ...]:
        """Every image that has to be present before the build, once each."""
        found: dict[str, None] = {}
        for index, stage in enumerate(self.stages):
            earlier = {s.name.lower() for s in self.stages[:index]} | {str(i) for i in range(index)}
            found |= {name: None for name in (stage.base, *stage.copies) if name.lower() not in {*earlier, "scratch"}}
        return tuple(found)

    @property
    def declared(self) -> frozenset[str]:
        """Every build argument that some instruction takes."""
        return self.globals.union(*(stage.args for stage in self.stages))

    @property
    def recorded(self) -> frozenset[str]:
        """The arguments whose values stay in the finished image's history: those of its own chain of stages."""
        return frozenset().union(*(stage.args for stage in self._chain()))

    def _chain(self) -> Iterator[Stage]:
        wanted = self.stages[-1].name.lower() if self.stages else ""
        for index, stage in reversed(list(enumerate(self.stages))):
            if index == len(self.stages) - 1 or stage.name.lower() == wanted != "":
                yield stage
                wanted = stage.base.lower()


def parse(text: str, args: Mapping[str, str], target: str | None = None) -> Script:
    """The script that these build arguments make of a Dockerfile; what Docker would refuse is left for it to refuse."""
    defaults: dict[str, str] = {}
    blocks: list[tuple[str, list[tuple[str, str]]]] = []
    for word, rest in _instructions(text):
        if word == "FROM":
            blocks.append((rest, []))
        elif blocks:
            blocks[-1][1].append((word, rest))
        elif word == "ARG":
            defaults |= {name: args.get(name, _substitute(value, defaults)) for name, value in _pairs(rest)}
    stages = tuple(_stage(_substitute(head, defaults), body) for head, body in blocks)
    return Script(stages[: _end(stages, target)], frozenset(defaults))


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    for line in re.sub(r"\\[ \t]*\n", " ", "\n".join(lines)).splitlines():
        word, _, rest = line.strip().partition(" ")
        if word:
            yield word.upper(), rest.strip()


def _stage(head: str, body: Iterable[tuple[str, str]]) -> Stage:
    words = [word for word in head.split() if not word.startswith("--")]
    named = len(words) == 3 and words[1].lower() == "as"
    return Stage(
        base=words[0] if words else "",
        name=words[2] if named else "",
        args=frozenset(name for word, rest in body if word == "ARG" for name, _ in _pairs(rest)),
        copies=tuple(m[1] for word, rest in body if word == "COPY" and (m := re.search(r"(?:^|\s)--from=(\S+)", rest))),
    )


def _pairs(rest: str) -> Iterator[tuple[str, str]]:
    for word in rest.split():
        name, _, value = word.partition("=")
        yield name, value.strip("\"'")


def _substitute(text: str, values: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        found = values.get(match[1] or match[2], "")
        if match[3] == "-":
            return found or match[4]
        return (match[4] if found else "") if match[3] == "+" else found

    return _VARIABLE.sub(value, text)


def _end(stages: tuple[Stage, ...], target: str | None) -> int:
    for index, stage in enumerate(stages):
        if target and target.lower() in {stage.name.lower(), str(index)}:
            return index + 1
    return len(stages)
