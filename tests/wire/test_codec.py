"""The codec: every message survives it, and nothing that a peer sends breaks it."""

import tracemalloc
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pcore.address import MAX_ADDRESS_CHARS
from p2pcore.wire import codec
from p2pcore.wire import messages as m
from p2pcore.wire.codec import FrameParser, Incoming, encode_frame
from p2pcore.wire.limits import (
    HEADER_BYTES,
    MAX_CONTACTS,
    MAX_FRAME_BYTES,
    MAX_TEXT_CHARS,
    MAX_VALUE_BYTES,
)
from tests.wire.strategies import any_message, by_type

ID, VERSION = b"i" * 32, b"v" * 16


def framed(body: bytes) -> bytes:
    return len(body).to_bytes(HEADER_BYTES) + body


def parsed(*items: object) -> list[Incoming]:
    """What comes out when this array comes in."""
    return FrameParser().feed(framed(msgspec.msgpack.encode(items)))


def cut(data: bytes, places: list[int]) -> list[bytes]:
    marks = sorted({min(place, len(data)) for place in places} | {0, len(data)})
    return [data[a:b] for a, b in pairwise(marks)]


def test_no_tag_is_missing_or_taken_twice() -> None:
    assert [kind.__struct_config__.tag for kind in m.MESSAGES] == list(range(len(m.MESSAGES)))
    assert {*codec._KNOWN_TAGS} == {*range(len(m.MESSAGES))}


def test_every_message_greets_or_asks_or_answers() -> None:
    for kind in m.MESSAGES:
        assert kind in (m.Ready, m.Goodbye) or issubclass(kind, m.Request | m.Reply), kind
        assert kind.__module__.startswith("p2pcore.wire."), kind


@pytest.mark.parametrize("kind", by_type, ids=lambda kind: kind.__name__)
@settings(max_examples=25)
@given(st.data())
def test_round_trip(kind: Any, data: st.DataObject) -> None:
    message = data.draw(by_type[kind])
    parser = FrameParser()
    assert parser.feed(encode_frame(message)) == [message]
    assert parser.pending_bytes == 0


@given(st.lists(any_message, max_size=6), st.lists(st.integers(0, 4000), max_size=12))
def test_any_chunking_gives_the_same_messages(messages: list[m.Message], places: list[int]) -> None:
    parser = FrameParser()
    out: list[Incoming] = []
    for chunk in cut(b"".join(map(encode_frame, messages)), places):
        out += parser.feed(chunk)
    assert out == messages
    assert parser.pending_bytes == 0


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=8))
def test_arbitrary_bytes_never_raise_and_chunks_do_not_matter(
    data: bytes, places: list[int]
) -> None:
    whole = FrameParser().feed(data)
    parser, out = FrameParser(), []
    for chunk in cut(data, places):
        out += parser.feed(chunk)
        assert parser.pending_bytes <= len(data)
    assert out == whole


@given(st.lists(st.binary(max_size=60), max_size=5), any_message)
def test_framed_garbage_never_raises_and_ends_the_stream_once(
    bodies: list[bytes], message: m.Message
) -> None:
    """Garbage of the right frame reaches the decoder; after Malformed, nothing is read."""
    parser = FrameParser()
    out = parser.feed(b"".join(map(framed, bodies)) + encode_frame(message))
    broken = [i for i, item in enumerate(out) if isinstance(item, m.Malformed)]
    if broken:
        assert broken == [len(out) - 1]
        assert parser.feed(encode_frame(message)) == []
        assert parser.pending_bytes == 0
    else:
        assert len(out) == len(bodies) + 1
        assert out[-1] == message


@given(any_message, st.integers(0, 10_000), st.integers(0, 255))
def test_a_flipped_byte_never_raises(message: m.Message, place: int, value: int) -> None:
    frame = bytearray(encode_frame(message))
    frame[place % len(frame)] = value
    assert len(FrameParser().feed(bytes(frame))) <= len(frame)


@given(any_message, st.lists(st.none() | st.integers(0) | st.binary(max_size=9), max_size=3))
def test_further_fields_of_a_later_version_are_ignored(
    message: m.Message, extra: list[object]
) -> None:
    items = msgspec.msgpack.decode(encode_frame(message)[HEADER_BYTES:])
    if all(not isinstance(x, int) or x < 2**64 for x in extra):
        assert parsed(*items, *extra) == [message]


def test_missing_trailing_fields_take_their_defaults() -> None:
    assert parsed(0, 1, 1, 0) == [m.Ready(1, 1, m.Role.CLIENT)]
    assert parsed(1, 0) == [m.Goodbye(m.Reason.SHUTDOWN, "")]
    assert parsed(6, 9, ID, VERSION, b"x") == [m.Store(9, ID, VERSION, b"x", 0)]
    assert parsed(10, 9, ID[:16], None) == [m.Found(9, ID[:16], None, 0)]
    assert parsed(16, 9, 5) == [m.Failed(9, m.Reason.BUSY, "")]


@given(
    st.integers(len(codec._KNOWN_TAGS), 2**64 - 1) | st.integers(-(2**63), -1),
    st.integers(0, 2**64 - 1),
)
def test_an_unknown_tag_is_one_refused_request(tag: int, request_id: int) -> None:
    parser = FrameParser()
    unknown = framed(msgspec.msgpack.encode([tag, request_id, {"later": [1]}, None]))
    assert parser.feed(unknown + encode_frame(m.Ping(3))) == [m.Unknown(request_id, tag), m.Ping(3)]


@pytest.mark.parametrize(
    "items",
    [
        (), (2,), (2, -1), (2, "1"), (2, 1.5), (21,), (21, "x"), (21, -1), ("2", 1), (None, 1),
        (4, 1, ID[:-1]), (4, 1, ID + b"x"), (4, 1, "i" * 32), (8, 1, VERSION[:-1]),
        (6, 1, ID, VERSION, "text"), (6, 1, ID, VERSION), (6, 1, ID, VERSION, b"x", -1),
        (0, 1, 1, 2), (1, -1), (16, 1, "x"), (0, 1, 1, 0, "a" * (MAX_ADDRESS_CHARS + 1)),
        (1, 0, "t" * (MAX_TEXT_CHARS + 1)), (5, 1, [[ID, "a"]] * (MAX_CONTACTS + 1)),
        (5, 1, [[ID]]), (5, 1, [[ID, 7]]), (5, 1, {}), (0, 1, 1, 1, "a", [3, 2]),
        (6, 1, ID, VERSION, b"x" * (MAX_VALUE_BYTES + 1)),
    ],
)  # fmt: skip
def test_what_is_no_message_is_malformed(items: tuple[object, ...]) -> None:
    (only,) = parsed(*items)
    assert isinstance(only, m.Malformed)
    assert only.text


@pytest.mark.parametrize(
    "body",
    [
        b"", b"\xc1", b"\x91" * 100_000, b"\x81\x01" * 50_000, b"\xdd\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff", b"\x93\x01\x00\xa2\xff\xfe", b"\x92\x02\x01\x02", b"\xc0" * 100,
        b"\x93\x11\x01" + b"\x91" * 100_000, b"\x93\x11\x01\xa2\xff\xfe",
    ],
    ids=lambda body: body[:6].hex(),
)  # fmt: skip
def test_hostile_bodies_are_malformed(body: bytes) -> None:
    """Deep nests, lengths that promise gigabytes, text that is no UTF-8, bytes left over."""
    (only,) = FrameParser().feed(framed(body))
    assert isinstance(only, m.Malformed)


def test_the_largest_value_fits_and_a_larger_frame_is_refused_by_its_header() -> None:
    largest = m.Put(2**64 - 1, ID, VERSION, b"x" * MAX_VALUE_BYTES, 2**64 - 1, 2**64 - 1)
    frame = encode_frame(largest)
    assert len(frame) - HEADER_BYTES <= MAX_FRAME_BYTES
    assert FrameParser().feed(frame) == [largest]
    parser = FrameParser()
    (refused,) = parser.feed((MAX_FRAME_BYTES + 1).to_bytes(HEADER_BYTES))
    assert isinstance(refused, m.Malformed)
    assert str(MAX_FRAME_BYTES) in refused.text
    assert parser.feed(b"x" * 100_000) == []
    assert parser.pending_bytes == 0


def test_what_is_held_of_unfinished_frames_is_bounded() -> None:
    parser, piece = FrameParser(), b"\x00" * 65_536
    parser.feed(MAX_FRAME_BYTES.to_bytes(HEADER_BYTES))
    peak = 0
    for _ in range(3 * MAX_FRAME_BYTES // len(piece)):
        parser.feed(piece)
        peak = max(peak, parser.pending_bytes)
    assert peak <= HEADER_BYTES + MAX_FRAME_BYTES


@pytest.mark.parametrize("size", [0, 1, 2, 3])
def test_a_header_may_come_in_parts(size: int) -> None:
    frame = encode_frame(m.Ping(1))
    parser = FrameParser()
    assert parser.feed(frame[:size]) == []
    assert parser.pending_bytes == size
    assert parser.feed(frame[size:]) == [m.Ping(1)]


def test_a_reason_of_a_later_version_is_readable() -> None:
    for message in (m.Goodbye(99, "new"), m.Failed(7, 99, "new")):
        assert FrameParser().feed(encode_frame(message)) == [message]
    assert m.words_of(99) == "reason 99"
    assert m.words_of(m.Reason.STORAGE_FULL) == "storage full"


@given(messages=st.lists(any_message, max_size=12), limit=st.integers(1, 5), data=st.data())
def test_what_is_too_much_for_one_turn_waits_as_bytes(
    messages: list[m.Message], limit: int, data: st.DataObject
) -> None:
    """In the same order, however the bytes come and whenever the next are asked for."""
    whole = b"".join(map(encode_frame, messages))
    parser, out = FrameParser(), []
    while whole or parser.held:
        size = data.draw(st.integers(0, len(whole)))
        if not size and not parser.held:
            size = len(whole)
        if size and data.draw(st.booleans()):
            parser.hold(whole[:size])
            found = []
        else:
            found = parser.feed(whole[:size], limit)
        whole = whole[size:]
        assert len(found) <= limit
        out += found
    assert out == messages
    assert parser.pending_bytes == 0


def test_what_there_was_no_time_for_waits_as_bytes() -> None:
    """Also a request of a later version, in its place; and half a frame behind it all."""
    asked: list[m.Message] = [m.ListKeys(number, list(range(4096))) for number in range(5)]
    later = framed(msgspec.msgpack.encode([99, 7, "new"]))
    whole = b"".join(map(encode_frame, asked[:3])) + later + b"".join(map(encode_frame, asked[3:]))
    for end, limit in ((len(whole), 99), (len(whole), 2), (len(whole) - 3, 99)):
        parser = FrameParser()
        found = parser.feed(whole[:end], limit)
        parser.put_back(found[1:])
        assert parser.held
        assert end - 20_000 < parser.pending_bytes + len(encode_frame(asked[0])) <= end
        found = [*found[:1], *parser.rest(2), *parser.rest(99), *parser.feed(whole[end:])]
        assert found == [*asked[:3], m.Unknown(7, 99), *asked[3:]]
        assert not parser.pending_bytes


def test_the_rest_is_decoded_as_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[int] = []
    real = codec._decode
    monkeypatch.setattr(codec, "_decode", lambda body: decoded.append(1) or real(body))
    parser = FrameParser()
    parser.hold(encode_frame(m.Ping(1)) * 64)
    rest = parser.rest(64)
    assert [next(rest), next(rest)] == [m.Ping(1)] * 2
    assert len(decoded) == 2
    rest.close()  # type: ignore[attr-defined]
    assert list(parser.rest(99)) == [m.Ping(1)] * 62


def test_frames_that_were_done_with_do_not_stay() -> None:
    parser = FrameParser()
    parser.hold(encode_frame(m.Ping(1)) * 1000)
    list(parser.rest(990))
    assert len(parser.held) <= 2 * parser.pending_bytes


def test_parts_of_a_large_frame_are_kept_until_the_last_one_is_fed() -> None:
    large = m.Store(1, b"k" * 32, b"v" * 16, bytes(300_000), 0)
    data = encode_frame(large) + encode_frame(m.Ping(2))
    parser = FrameParser()
    assert not parser.keep(data[:100_000]), "no frame has begun"
    assert parser.feed(data[:100_000]) == []
    assert parser.keep(data[100_000:200_000])
    assert parser.pending_bytes == 200_000
    assert not parser.keep(data[200_000:]), "the frame ends there"
    assert parser.feed(data[200_000:]) == [large, m.Ping(2)]
    assert parser.pending_bytes == 0


def test_many_small_parts_of_a_frame_take_little_more_memory_than_what_is_in_them() -> None:
    frame = encode_frame(m.Store(1, b"k" * 32, b"v" * 16, bytes(100_000), 0))
    parser = FrameParser()
    tracemalloc.start()
    try:
        for at in range(len(frame) - 1):
            assert parser.feed(frame[at : at + 1]) == []
        assert tracemalloc.get_traced_memory()[0] < 1.2 * len(frame)
    finally:
        tracemalloc.stop()
    assert len(parser.feed(frame[-1:])) == 1
