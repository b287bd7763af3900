"""The kinds of values that a fleet is made of: each is checked, documented and written back as people write it."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema

from nautilus_cli.units import (
    DURATION,
    NUMBER,
    SHARE,
    SIZE,
    parse_cpus,
    parse_duration,
    parse_ratio,
    parse_share,
    parse_size,
    parse_whole,
    show_size,
    shown,
    write_duration,
    write_share,
)

NAME = r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?"  # an image of this name must be possible
URL_PATH = r"/[!$-&(-\[\]-~]*"  # printable, without spaces, quotes, '#' and '\\'
TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # of HTTP: the names of methods and headers
SIGNAL = (
    r"SIG(ABRT|ALRM|BUS|CHLD|CONT|FPE|HUP|ILL|INT|IO|KILL|PIPE|PROF|PWR|QUIT|SEGV|STKFLT|STOP|SYS|TERM|TRAP|TSTP"
    r"|TTIN|TTOU|URG|USR1|USR2|VTALRM|WINCH|XCPU|XFSZ|RTMIN(\+[0-9]{1,2})?|RTMAX(-[0-9]{1,2})?)"
)
CAPABILITIES: list[str] = re.findall(
    r"\w+",
    """ALL AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND BPF CHECKPOINT_RESTORE CHOWN DAC_OVERRIDE DAC_READ_SEARCH
    FOWNER FSETID IPC_LOCK IPC_OWNER KILL LEASE LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE MKNOD NET_ADMIN NET_BIND_SERVICE
    NET_BROADCAST NET_RAW PERFMON SETFCAP SETGID SETPCAP SETUID SYSLOG SYS_ADMIN SYS_BOOT SYS_CHROOT SYS_MODULE SYS_NICE
    SYS_PACCT SYS_PTRACE SYS_RAWIO SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG WAKE_ALARM""",
)
IMAGE = r"[A-Za-z0-9][A-Za-z0-9_.:/@-]{0,511}"
SECRET = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"
USER = r"[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?"
LEAST_MEMORY = 6 * 2**20  # Docker refuses less
MOST_MEMORY = 2**50
DAY = 86400.0


def _name(value: str) -> str:
    if not re.fullmatch(NAME, value):
        raise ValueError(
            f"{shown(value)} is not a name; use a to z, 0 to 9 and '-' between them, at most 40 characters"
        )
    return value


def _memory(value: object) -> int:
    size = parse_size(value)
    if not LEAST_MEMORY <= size <= MOST_MEMORY:
        raise ValueError(f"{shown(value)} of memory cannot be granted; write a size from 6MiB to 1024TiB")
    return size


def _duration(value: object) -> float:
    seconds = parse_duration(value)
    if seconds > DAY:
        raise ValueError(f"{shown(value)} is longer than a day; write 24h or less")
    return seconds


def _timeout(value: object) -> float:
    seconds = _duration(value)
    if seconds <= 0:
        raise ValueError(f"{shown(value)} is no time at all; write 1s or more than nothing")
    return seconds


def _rate(value: object) -> float:
    text = str(value).strip()
    if isinstance(value, bool) or not re.fullmatch(NUMBER, text) or not 0 < float(text) <= 1e6:
        raise ValueError(f"{shown(value)} is not a rate; write a number of requests per second, up to 1000000")
    return float(text)


def _headers(value: dict[str, str]) -> dict[str, str]:
    for name, text in value.items():
        if not re.fullmatch(TOKEN, name) or not text.isprintable():
            raise ValueError(f"{shown(name)} is not an HTTP header of one line; write X-Name: value")
    return value


def _user(value: object) -> object:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if isinstance(text, str) and not re.fullmatch(USER, text):
        raise ValueError(f"{shown(value)} is not a user; write 1000, 1000:1000 or a name")
    return text


def _url_path(value: str) -> str:
    if not re.fullmatch(URL_PATH, value):
        raise ValueError(f"{shown(value)} is not a path of a URL; write /health, without spaces and quotes")
    return value


def _address(value: str) -> str:
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        raise ValueError(f"{shown(value)} is not an IP address; write 127.0.0.1 or 0.0.0.0") from None


def _signal(value: str) -> str:
    if not re.fullmatch(SIGNAL, value):
        raise ValueError(f"{shown(value)} is not a signal; write SIGTERM, SIGINT or SIGQUIT")
    return value


def _capability(value: str) -> str:
    if value.removeprefix("CAP_") not in CAPABILITIES:
        raise ValueError(f"{shown(value)} is not a capability; write ALL or, for example, NET_BIND_SERVICE")
    return value.removeprefix("CAP_")


def _inside(value: str) -> str:
    if not re.fullmatch(r"/[^:]+", value) or ".." in value.split("/") or value.strip("/.") == "":
        raise ValueError(f"{shown(value)} is not an absolute path inside the container; write /data")
    return value


def _image(value: str) -> str:
    if not re.fullmatch(IMAGE, value):
        raise ValueError(f"{shown(value)} is not the name of an image; write nginx:alpine or registry.example/app:1.2")
    return value


def _secret_name(value: str) -> str:
    if not re.fullmatch(SECRET, value):
        raise ValueError(f"{shown(value)} is not the name of a secret; use letters, digits, '_', '.' and '-'")
    return value


def _text(pattern: str, *kinds: str) -> WithJsonSchema:
    return WithJsonSchema({"type": ["string", *kinds] if kinds else "string", "pattern": f"^({pattern})$"})


def _whole_if_possible(number: float) -> int | float:
    return int(number) if number == int(number) else number


_as_size = PlainSerializer(show_size, when_used="json")
_as_duration = PlainSerializer(write_duration, when_used="json")
_as_share = PlainSerializer(write_share, when_used="json")
_as_short = PlainSerializer(_whole_if_possible, when_used="json")

Size = Annotated[int, BeforeValidator(parse_size), _as_size, _text(SIZE, "integer")]
Memory = Annotated[int, BeforeValidator(_memory), _as_size, _text(SIZE, "integer")]
Duration = Annotated[float, BeforeValidator(_duration), _as_duration, _text(DURATION)]
Timeout = Annotated[float, BeforeValidator(_timeout), _as_duration, _text(DURATION)]
Share = Annotated[float, BeforeValidator(parse_share), _as_share, _text(SHARE)]
Cpus = Annotated[float, BeforeValidator(parse_cpus), _as_short, _text(NUMBER, "number")]
Rate = Annotated[float, BeforeValidator(_rate), _as_short, _text(NUMBER, "number")]
Headers = Annotated[dict[str, str], AfterValidator(_headers)]
Ratio = Annotated[
    float,
    BeforeValidator(parse_ratio),
    _as_short,
    WithJsonSchema({"type": ["number", "string"], "minimum": 0, "maximum": 1, "pattern": f"^({SHARE}|{NUMBER})$"}),
]
Port = Annotated[int, Field(ge=1, le=65535), BeforeValidator(parse_whole)]
Copies = Annotated[int, Field(ge=1, le=200), BeforeValidator(parse_whole)]
Tries = Annotated[int, Field(ge=1, le=1000), BeforeValidator(parse_whole)]
Requests = Annotated[int, Field(ge=1, le=4000), BeforeValidator(parse_whole)]
Pids = Annotated[int, Field(ge=1, le=4194304), BeforeValidator(parse_whole)]
Limit = Annotated[int, Field(ge=-1), BeforeValidator(parse_whole)]
Name = Annotated[str, AfterValidator(_name), _text(NAME)]
UrlPath = Annotated[str, AfterValidator(_url_path), _text(URL_PATH)]
Address = Annotated[str, AfterValidator(_address)]
User = Annotated[str, BeforeValidator(_user), WithJsonSchema({"type": ["string", "integer"]})]
Signal = Annotated[str, AfterValidator(_signal), _text(SIGNAL)]
Capability = Annotated[str, AfterValidator(_capability), WithJsonSchema({"enum": CAPABILITIES})]
Inside = Annotated[str, AfterValidator(_inside), _text("/[^:]*")]


Image = Annotated[str, AfterValidator(_image), _text(IMAGE)]
SecretName = Annotated[str, AfterValidator(_secret_name), _text(SECRET)]
