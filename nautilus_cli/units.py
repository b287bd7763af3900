"""Sizes, durations, shares, CPU counts and whole numbers as people write them, and back."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction

SIZE = r"[0-9]{1,18}(\.[0-9]{1,9})?\s*([kKmMgGtT]([iI]?[bB])?|[bB])?"
DURATION = r"([0-9]{1,12}(\.[0-9]+)?(us|ms|s|m|h))+|0"
SHARE = r"[0-9]{1,3}(\.[0-9]+)?\s*%"
NUMBER = r"[0-9]{1,9}(\.[0-9]+)?"

_SIZES = {
    "": 1, "b": 1,
    "k": 1024, "kb": 10**3, "kib": 2**10,
    "m": 2**20, "mb": 10**6, "mib": 2**20,
    "g": 2**30, "gb": 10**9, "gib": 2**30,
    "t": 2**40, "tb": 10**12, "tib": 2**40,
}  # fmt: skip
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_size(value: object) -> int:
    """Bytes of `512MiB`, `4GiB`, `1GB` or a plain number of bytes; ValueError says how to write it."""
    text = str(value).strip()
    if isinstance(value, bool) or not re.fullmatch(SIZE, text):
        raise ValueError(f"{shown(value)} is not a size; write 1GiB or 512MiB")
    number = re.match(r"[0-9.]+", text)[0]  # type: ignore[index]  # SIZE begins with a digit
    return int(Fraction(number) * _SIZES[text[len(number) :].strip().lower()])


def parse_duration(value: object) -> float:
    """Seconds of `500ms`, `30s`, `1m30s`; ValueError says how to write it."""
    text = str(value).strip()
    if isinstance(value, bool) or not re.fullmatch(DURATION, text):
        raise ValueError(f"{shown(value)} is not a duration; write 30s, 500ms or 5m")
    return sum((float(number) * _SECONDS[unit] for number, unit in re.findall(r"([0-9.]+)(us|ms|s|m|h)", text)), 0.0)


def parse_share(value: object) -> float:
    """The fraction that `0.1%` or `70%` means; ValueError says how to write it."""
    text = str(value).strip()
    if not re.fullmatch(SHARE, text) or float(text.rstrip("% ")) > 100:
        raise ValueError(f"{shown(value)} is not a share; write 0.1% or 70%")
    return float(text.rstrip("% ")) / 100


def parse_ratio(value: object) -> float:
    """The fraction that `0.25` or `25%` means; ValueError says how to write it."""
    text = str(value).strip()
    if re.fullmatch(SHARE, text):
        return parse_share(text)
    if isinstance(value, bool) or not re.fullmatch(NUMBER, text) or float(text) > 1:
        raise ValueError(f"{shown(value)} is not a ratio; write 0.25 or 25%")
    return float(text)


def parse_cpus(value: object) -> float:
    """A number of CPUs of at least 0.01; ValueError says how to write it."""
    text = str(value).strip()
    if isinstance(value, bool) or not re.fullmatch(NUMBER, text):
        raise ValueError(f"{shown(value)} is not a number of CPUs; write 0.5 or 2")
    if not 0.01 <= float(text) <= 1024:
        raise ValueError(f"{shown(value)} CPUs cannot be granted; write a number from 0.01 to 1024")
    return float(text)


def parse_whole(value: object) -> int:
    """A whole number, never a boolean; ValueError says what it is instead."""
    text = str(value).strip()
    if isinstance(value, bool) or not re.fullmatch(r"-?[0-9]{1,18}", text):
        raise ValueError(f"{shown(value)} is not a whole number")
    return int(text)


def show_size(size: int) -> str:
    """The shortest exact way to write a size in binary units: 4GiB, 1.5GiB, 512MiB, 1000B."""
    for unit, factor in (("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size >= factor and size % (factor // 4 if factor > 2**10 else factor) == 0:
            return f"{_digits(Decimal(size) / factor)}{unit}"
    return f"{size}B"


def about_size(size: int) -> str:
    """A size for people, rounded to a tenth of its largest binary unit: 23.5GiB, 512MiB."""
    for unit, factor in (("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size >= factor:
            return f"{size / factor:.1f}".removesuffix(".0") + unit
    return f"{size}B"


def show_duration(seconds: float) -> str:
    """A duration as people say it, rounded: 45ms, 1.2s, 3m05s, 2h10m."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 59.95:
        return f"{seconds:.1f}".removesuffix(".0") + "s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole // 60 % 60:02d}m"
    return f"{whole // 86400}d{whole // 3600 % 24:02d}h"


def show_latency(seconds: float) -> str:
    """A latency in three digits: 45us, 1.24ms, 312ms, 2.5s."""
    for unit, factor in (("us", 1e6), ("ms", 1e3)):
        if (short := float(f"{seconds * factor:.3g}")) < 1000:
            return f"{short:g}{unit}"
    return f"{float(f'{seconds:.3g}'):g}s"


def write_duration(seconds: float) -> str:
    """The shortest way to write a duration that reads back as exactly the same number: 30s, 1m, 500ms."""
    for unit, factor in (("h", 3600.0), ("m", 60.0), ("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        count = round(seconds / factor)
        if count and count * factor == seconds:
            return f"{count}{unit}"
    return f"{_digits(Decimal(repr(seconds)))}s"


def write_share(share: float) -> str:
    """The shortest way to write a share that reads back as exactly the same number: 0.1%, 70%."""
    texts = (_digits(Decimal(repr(round(share * 100, digits)))) for digits in range(17))
    return next((text for text in texts if float(text) / 100 == share), repr(share * 100)) + "%"


def show_cpus(cpus: float) -> str:
    """A CPU count without needless zeros."""
    return _digits(Decimal(repr(float(cpus))))


def shown(value: object) -> str:
    """A value as an error message quotes it: short, on one line, and in YAML's words."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    if isinstance(value, (int, float)):
        return str(value)
    text = str(value)
    return repr(text if len(text) <= 60 else text[:57] + "...")


def _digits(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
