"""What is wrong with a file: every fault and warning with its place, told at once and in order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches

from nautilus_cli.errors import ConfigError

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A position in a file, as an editor counts."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"

    def seen_from(self, other: Place) -> str:
        """This line in words, with its file where the other place is in another one."""
        return f"line {self.line}" if self.file == other.file else f"line {self.line} of {self.file}"


class Stop(Exception):
    """A fault after which nothing more can be read."""

    def __init__(self, place: Place, text: str) -> None:
        super().__init__(text)
        self.place = place
        self.text = text


@dataclass(slots=True)
class Faults:
    """Collects what is wrong; the same fault at the same place counts once."""

    _faults: dict[tuple[Place, str], str] = field(default_factory=dict)
    _warnings: dict[tuple[Place, str], str] = field(default_factory=dict)
    _values: set[tuple[str, Path]] = field(default_factory=set)

    def add(self, place: Place, path: Path, text: str) -> None:
        """Something that forbids to go on."""
        self._faults.setdefault((place, text), _line(place, path, text))
        self._values.add(_value(place, path))

    def known(self, place: Place, path: Path) -> bool:
        """Whether a fault was told of this very value."""
        return _value(place, path) in self._values

    def warn(self, place: Place, path: Path, text: str) -> None:
        """Something that is probably not meant."""
        self._warnings.setdefault((place, text), _line(place, path, text))

    @property
    def warnings(self) -> tuple[str, ...]:
        """Every warning, by place."""
        return tuple(line for _, line in sorted(self._warnings.items(), key=lambda entry: entry[0][0]))

    def check(self) -> None:
        """Raises one `ConfigError` that holds every fault, by place; none is fine."""
        if self._faults:
            lines = [line for _, line in sorted(self._faults.items(), key=lambda entry: entry[0][0])]
            count = "this line" if len(lines) == 1 else f"these {len(lines)} lines"
            raise ConfigError("\n".join(lines), f"Correct {count}; nothing was touched.")


def meant(word: str, words: Iterable[str]) -> str:
    """`; did you mean 'x'?` where one of the words is near."""
    near = get_close_matches(word, list(words), n=1, cutoff=0.6)
    return f"; did you mean '{near[0]}'?" if near else ""


def dotted(path: Path) -> str:
    """A path as people write it: engines.risk.volumes[1]."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def _value(place: Place, path: Path) -> tuple[str, Path]:
    """What a path means: the files share their keys, but each counts the items of its own lists."""
    return (place.file if any(isinstance(part, int) for part in path) else "", path)


def _line(place: Place, path: Path, text: str) -> str:
    label = dotted(path)
    return f"{place}: {label}: {text}" if label else f"{place}: {text}"
