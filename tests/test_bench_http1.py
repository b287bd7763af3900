"""Answers are read the same however they are cut, and what is no answer is said to be none."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import h11
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nautilus_cli.bench.http1 import CHUNKED, LIMIT, UNTIL_CLOSE, Answer, Malformed, Reader, render
from nautilus_cli.bench.recording import Request, Target

OK = b"HTTP/1.1 200 OK\r\n"


def read(pieces: Iterable[bytes], ends: bool = False, bodiless: bool = False) -> Answer | str | None:
    """What a reader makes of these pieces, and of the end of the connection if it comes."""
    reader, found = Reader(bodiless), None
    try:
        for piece in pieces:
            found = reader.feed(piece)
            if found:
                return found
        return reader.end() if ends else None
    except Malformed:
        return "malformed"


def cuts(data: bytes, places: Iterable[int]) -> list[bytes]:
    """The data in pieces, none of them empty."""
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(edges)]


TOKEN = st.text("abcXYZ-09", min_size=1, max_size=8)
PLAIN = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=30)
OTHERS = st.lists(st.tuples(TOKEN.map(lambda name: f"o-{name}"), PLAIN), max_size=4)
PLACES = st.lists(st.integers(0, 5000), max_size=8)


@st.composite
def answers(draw: st.DrawFn) -> tuple[bytes, bool]:
    """A valid answer of any framing, and whether it lasts until the connection ends."""
    end = draw(st.sampled_from(["\r\n", "\n"]))
    status = draw(st.sampled_from([200, 201, 302, 404, 500, 503]))
    interim = draw(st.sampled_from(["", f"HTTP/1.1 100 Continue{end}{end}", f"HTTP/1.1 103 Hints{end}a: b{end}{end}"]))
    framing = draw(st.sampled_from(["length", "chunked", "close"]))
    body = draw(st.binary(max_size=300))
    fields = [*draw(OTHERS), ("X-Nautilus-Replica", draw(TOKEN))]
    content = body
    if framing == "length":
        fields.append((draw(st.sampled_from(["Content-Length", "content-length", "CONTENT-LENGTH"])), str(len(body))))
    elif framing == "chunked":
        fields.append(("Transfer-Encoding", draw(st.sampled_from(["chunked", "gzip, Chunked"]))))
        content = chunked(draw, body, end.encode())
    fields = draw(st.permutations(fields))
    version = draw(st.sampled_from(["1.1", "1.0"]))
    head = f"HTTP/{version} {status} Why Not{end}" + "".join(f"{name}: {value}{end}" for name, value in fields) + end
    return (interim + head).encode() + content, framing == "close"


def chunked(draw: st.DrawFn, body: bytes, end: bytes) -> bytes:
    """The body in chunks, some of them with extensions, and trailers behind them."""
    extension = st.sampled_from([b"", b";a", b" ;name=value", b';q="x y"'])
    pieces = [b"%x%s" % (len(one), draw(extension)) + end + one + end for one in cuts(body, draw(PLACES))]
    trailers = draw(st.sampled_from([b"", b"digest: 1" + end, b"a: 1" + end + b"b: 2" + end]))
    return b"".join(pieces) + b"0" + draw(extension) + end + trailers + end


@given(answers(), PLACES)
def test_an_answer_reads_the_same_however_it_is_cut(answer: tuple[bytes, bool], places: list[int]) -> None:
    data, lasts = answer
    whole = read([data], ends=True)
    assert isinstance(whole, Answer)
    assert read(cuts(data, places), ends=True) == whole
    assert read([data[i : i + 1] for i in range(len(data))], ends=True) == whole
    assert whole.reusable <= (not lasts)


@given(answers(), st.integers(0, 5000))
def test_nothing_less_than_the_whole_is_an_answer(answer: tuple[bytes, bool], place: int) -> None:
    data, lasts = answer
    assume(not lasts)
    assert read([data[: place % len(data)]], ends=True) is None


@given(answers(), answers(), PLACES)
def test_a_reader_reads_one_answer_after_another(
    first: tuple[bytes, bool], second: tuple[bytes, bool], places: list[int]
) -> None:
    assume(not first[1])
    reader = Reader()
    found = [reader.feed(piece) for piece in [*cuts(first[0], places), *cuts(second[0], places)]]
    assert [one for one in [*found, reader.end()] if one] == [read([first[0]]), read([second[0]], ends=True)]


@given(answers(), st.binary(min_size=1, max_size=20))
def test_what_follows_an_answer_ends_the_use_of_its_connection(answer: tuple[bytes, bool], surplus: bytes) -> None:
    data, lasts = answer
    assume(not lasts)
    found = read([data + surplus])
    assert isinstance(found, Answer)
    assert not found.reusable


@given(st.lists(st.binary(min_size=1, max_size=80), max_size=6), st.booleans())
def test_any_bytes_are_an_answer_or_malformed_or_not_yet_either(pieces: list[bytes], bodiless: bool) -> None:
    read(pieces, ends=True, bodiless=bodiless)


@given(answers(), st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), min_size=1, max_size=4), PLACES)
def test_damaged_answers_too_and_the_same_however_cut(
    answer: tuple[bytes, bool], damage: list[tuple[int, int]], places: list[int]
) -> None:
    data = bytearray(answer[0])
    for place, value in damage:
        data[place % len(data)] = value
    whole, cut = read([bytes(data)], ends=True), read(cuts(bytes(data), places), ends=True)
    # A surplus that comes later is not seen by the answer before it.
    assert outcome(whole) == outcome(cut)


def outcome(found: Answer | str | None) -> object:
    """What is found, but for whether the connection is good for more."""
    return (found.status, found.length, found.replica) if isinstance(found, Answer) else found


@given(answers())
def test_h11_reads_the_same_status_and_end(answer: tuple[bytes, bool]) -> None:
    data, lasts = answer
    # h11 knows chunked alone, no space before an extension, and no bare line feed between chunks.
    assume(b"gzip" not in data and b" ;" not in data and (b"\r\n" in data[:30] or b"Transfer" not in data))
    oracle = h11.Connection(h11.CLIENT)
    oracle.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
    oracle.send(h11.EndOfMessage())
    oracle.receive_data(data)
    if lasts:
        oracle.receive_data(b"")
    event, status = oracle.next_event(), None
    while not isinstance(event, h11.EndOfMessage):
        status = event.status_code if isinstance(event, h11.Response) else status
        event = oracle.next_event()
        assert event is not h11.NEED_DATA
    found = read([data], ends=True)
    assert isinstance(found, Answer)
    assert found.status == status
    assert found.reusable == (oracle.their_state is h11.DONE and not lasts)


@pytest.mark.parametrize(
    ("head", "answer"),
    [
        (OK + b"Content-Length: 0\r\n\r\n", Answer(200, 0, True, b"")),
        (OK + b"Content-Length: 0\r\nConnection: close\r\n\r\n", Answer(200, 0, False, b"")),
        (OK + b"Content-Length: 0\r\nConnection: te, Close\r\n\r\n", Answer(200, 0, False, b"")),
        (OK + b"content-length:0\r\nx-nautilus-replica:\trisk-2 \r\n\r\n", Answer(200, 0, True, b"risk-2")),
        (OK + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Answer(200, CHUNKED, True, b"")),
        (OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nab", Answer(200, 2, True, b"")),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", Answer(200, 0, False, b"")),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: Keep-Alive\r\n\r\n", Answer(200, 0, True, b"")),
        (b"HTTP/1.1 204 None\r\n\r\n", Answer(204, 0, True, b"")),
        (b"HTTP/1.1 304 Same\r\nContent-Length: 100\r\n\r\n", Answer(304, 0, True, b"")),
        (b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", Answer(200, 0, True, b"")),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n", Answer(101, 0, False, b"")),
        (OK + b"X: Content-Length: 9\r\nContent-Length: 0\r\n\r\n", Answer(200, 0, True, b"")),
    ],
)
def test_heads(head: bytes, answer: Answer) -> None:
    assert read([head]) == answer


def test_until_the_connection_ends() -> None:
    pieces = [OK + b"\r\n", b"some", b"HTTP/1.1 500 \r\n\r\n"]
    assert read(pieces) is None
    assert read(pieces, ends=True) == Answer(200, UNTIL_CLOSE, False, b"")


def test_the_answer_to_head_has_no_body() -> None:
    assert read([OK + b"Content-Length: 1000\r\n\r\n"], bodiless=True) == Answer(200, 0, True, b"")


def test_a_large_body_is_counted_and_not_kept() -> None:
    reader, piece = Reader(), b"x" * (1 << 20)
    assert reader.feed(OK + b"Content-Length: %d\r\n\r\n" % (64 << 20)) is None
    assert [reader.feed(piece) for _ in range(63)] == [None] * 63
    assert len(reader._buffer) == 0
    assert reader.feed(piece) == Answer(200, 64 << 20, True, b"")


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\r\n" + OK,
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        OK + b"Content-Length: -1\r\n\r\n",
        OK + b"Content-Length: 1e3\r\n\r\n",
        OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
        OK + b"Content-Length: 9999999999999999999\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n-5\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n",
        OK + b"a: " + b"b" * LIMIT,
        OK + b"Transfer-Encoding: chunked\r\n\r\n1;" + b"b" * LIMIT,
    ],
)
def test_malformed(data: bytes) -> None:
    assert read([data]) == "malformed"


def request(**given: object) -> bytes:
    return render(Target("risk.local", 8200, Request(**given)))  # type: ignore[arg-type]


def test_a_request() -> None:
    assert request(path="/var?a=b") == (
        b"GET /var?a=b HTTP/1.1\r\nHost: risk.local:8200\r\nConnection: keep-alive\r\n\r\n"
    )


def test_a_request_with_a_body() -> None:
    assert request(method="POST", headers=(("Content-Type", "application/json"),), body=b"{}") == (
        b"POST / HTTP/1.1\r\nHost: risk.local:8200\r\nConnection: keep-alive\r\nContent-Length: 2\r\n"
        b"Content-Type: application/json\r\n\r\n{}"
    )


def test_what_is_given_is_not_added() -> None:
    given = (("HOST", "a"), ("connection", "close"), ("content-length", "9"))
    assert request(headers=given, body=b"123456789") == (
        b"GET / HTTP/1.1\r\nHOST: a\r\nconnection: close\r\ncontent-length: 9\r\n\r\n123456789"
    )


def test_an_ipv6_host_stands_in_brackets() -> None:
    assert b"\r\nHost: [::1]:80\r\n" in render(Target("::1", 80))
