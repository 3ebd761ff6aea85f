"""Messages to bytes and back, and the cutting of reads into frames."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.common import subject
from benchmarks.common.workload import Values
from benchmarks.micro.prepared import WALL_MS, Micro, Prepared, require_equal

__all__ = ["DECODE", "ENCODE"]

MESSAGES = 128
VALUE_BYTES = 1024
SEGMENT_BYTES = 1460  # what a TCP segment carries on Ethernet


def _messages(kind: str) -> list[Any]:
    """Messages of one kind, all different."""
    message = subject.part("wire.messages", kind)
    key_of = subject.part("ids", "key_of")
    clock = subject.part("versions", "HybridClock")(bytes(range(32)))
    values = Values(VALUE_BYTES)
    fields: dict[str, Callable[[int], tuple[object, ...]]] = {
        "Store": lambda n: (key_of(f"key {n}"), clock.next(WALL_MS), values.value(n)),
        "Found": lambda n: (clock.next(WALL_MS), values.value(n)),
        "Fetch": lambda n: (key_of(f"key {n}"),),
        "Stored": lambda n: (),
    }
    return [message(1000 + number, *fields[kind](number)) for number in range(MESSAGES)]


def _frames(messages: list[Any]) -> list[bytes]:
    """Their frames, each seen to become the very message again."""
    encode_frame = subject.part("wire.codec", "encode_frame")
    frame_parser = subject.part("wire.codec", "FrameParser")
    frames = [encode_frame(message) for message in messages]
    for frame, message in zip(frames, messages, strict=True):
        require_equal(frame_parser().feed(frame), [message], "decoding an encoded message")
    return frames


def _encoding(kind: str) -> Micro:
    def prepare() -> Prepared:
        messages = _messages(kind)
        _frames(messages)
        encode_frame = subject.part("wire.codec", "encode_frame")

        def run(messages: list[Any]) -> None:
            for message in messages:
                encode_frame(message)

        return Prepared(run, lambda: messages)

    return Micro(f"encode a {kind}{_with_value(kind)}", MESSAGES, prepare)


def _decoding(kind: str) -> Micro:
    def prepare() -> Prepared:
        frames = _frames(_messages(kind))
        parser = subject.part("wire.codec", "FrameParser")()

        def run(frames: list[bytes]) -> None:
            for frame in frames:
                parser.feed(frame)

        return Prepared(run, lambda: frames)

    return Micro(f"decode a {kind}{_with_value(kind)}, alone in its read", MESSAGES, prepare)


def _with_value(kind: str) -> str:
    return " with a value of 1 KiB" if kind in ("Store", "Found") else ""


def _reads(piece_bytes: int | None) -> Callable[[], Prepared]:
    """The frames of many Stores, in one read or in pieces."""

    def prepare() -> Prepared:
        messages = _messages("Store")
        stream = b"".join(_frames(messages))
        step = piece_bytes or len(stream)
        pieces = [stream[start : start + step] for start in range(0, len(stream), step)]
        parser = subject.part("wire.codec", "FrameParser")()

        def run(pieces: list[bytes]) -> list[Any]:
            return [message for piece in pieces for message in parser.feed(piece)]

        require_equal(run(pieces), messages, "parsing a stream of frames")
        return Prepared(run, lambda: pieces)

    return prepare


ENCODE = {
    "encode_store": _encoding("Store"),
    "encode_stored": _encoding("Stored"),
    "encode_fetch": _encoding("Fetch"),
    "encode_found": _encoding("Found"),
}

DECODE = {
    "decode_store": _decoding("Store"),
    "decode_stored": _decoding("Stored"),
    "decode_fetch": _decoding("Fetch"),
    "decode_found": _decoding("Found"),
    "parse_whole": Micro("a 1 KiB Store, one of many in a read", MESSAGES, _reads(None)),
    "parse_fragments": Micro("a 1 KiB Store, in TCP segments", MESSAGES, _reads(SEGMENT_BYTES)),
}
