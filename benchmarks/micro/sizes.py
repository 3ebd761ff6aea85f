"""What depends on the size of values: frames, the cutting of reads, a store and a batch.

Only instructions of these are counted, at each size and as the growth from one to the next.
1 KiB is not among them: `codec.py` and others have it, and where blocks of that size lie in memory
moves a figure by up to 10 % if one hash seed has to do.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import Any

from benchmarks.common import subject
from benchmarks.common.counting.machines import MachineNet
from benchmarks.common.workload import Values
from benchmarks.micro.prepared import WALL_MS, Micro, Prepared, require_equal

__all__ = ["GROWTHS", "SIZES", "SIZES_BYTES"]

SIZES_BYTES = {"64B": 64, "64KiB": 64 * 1024, "1MiB": 1024 * 1024}
MESSAGES = {"64B": 256, "64KiB": 4, "1MiB": 2}
PIECE_BYTES = 16 * 1024  # the most that one TLS record decrypts to
BATCH = 5  # of 64 KiB, they are more than one frame takes of a batch; of 1 MiB, five frames
HEADER_BYTES = 4
BEYOND = 64 * 1024 * 1024  # a frame that nobody may send
REFUSED = 256  # of them: the interpreter's own memory, once in a while, is half as much as one
Make = Callable[[str], Prepared]


@cache
def _messages(size: str) -> list[Any]:
    store, key_of = subject.part("wire.messages", "Store"), subject.part("ids", "key_of")
    clock = subject.part("versions", "HybridClock")(bytes(range(32)))
    values = Values(SIZES_BYTES[size])
    return [
        store(1000 + number, key_of(f"key {number}"), clock.next(WALL_MS), values.value(number))
        for number in range(MESSAGES[size])
    ]


def _encode(size: str) -> Prepared:
    messages = _messages(size)
    encode_frame = subject.part("wire.codec", "encode_frame")
    parser = subject.part("wire.codec", "FrameParser")()

    def run(messages: list[Any]) -> list[bytes]:
        return [encode_frame(message) for message in messages]

    require_equal(
        [message for frame in run(messages) for message in parser.feed(frame)],
        messages,
        "decoding an encoded message",
    )
    return Prepared(run, lambda: messages)


def _reads(size: str, piece_bytes: int) -> Prepared:
    messages = _messages(size)
    encode_frame = subject.part("wire.codec", "encode_frame")
    stream = b"".join(map(encode_frame, messages))
    pieces = [stream[at : at + piece_bytes] for at in range(0, len(stream), piece_bytes)]
    parser = subject.part("wire.codec", "FrameParser")()

    def run(pieces: list[bytes]) -> list[Any]:
        return [message for piece in pieces for message in parser.feed(piece)]

    require_equal(run(pieces), messages, "parsing a stream of frames")
    return Prepared(run, lambda: pieces)


def _parse(size: str) -> Prepared:
    return _reads(size, 1 << 40)


def _pieces(size: str) -> Prepared:
    return _reads(size, PIECE_BYTES)


def _put(size: str) -> Prepared:
    memory_store = subject.part("storage.memory", "MemoryStore")
    record = subject.part("storage.memory", "Record")
    records = [(each.key, record(each.version, each.value, 0)) for each in _messages(size)]

    def run(store: Any) -> Any:
        for key, each in records:
            store.put(key, each, WALL_MS)
        return store

    def fresh() -> Any:
        return memory_store(capacity_bytes=1 << 30, tombstone_grace_ms=60_000)

    store = run(fresh())
    held = [store.get(key, WALL_MS) for key, _ in records]
    require_equal(held, [each for _, each in records], "a store after puts")
    return Prepared(run, fresh)


@cache
def _net() -> MachineNet:
    return MachineNet(nodes=3)


def _batch(size: str) -> Prepared:
    subject.require("batches")
    net, values = _net(), Values(SIZES_BYTES[size])
    items = {f"key {number}": values.value(number) for number in range(BATCH)}

    def run(net: MachineNet) -> list[Any]:
        number = net.start_write_many(items)
        net.run()
        receipts: list[Any] = net.client.results.pop(number)
        return receipts

    receipts = run(net)
    require_equal([getattr(each, "acks", each) for each in receipts], [2] * BATCH, "a batch")
    return Prepared(run, lambda: net)


def _refuse() -> Prepared:
    frame_parser = subject.part("wire.codec", "FrameParser")
    malformed = subject.part("wire.messages", "Malformed")
    read = BEYOND.to_bytes(HEADER_BYTES) + bytes(PIECE_BYTES)

    def fresh() -> list[Any]:
        return [frame_parser() for _ in range(REFUSED)]

    def run(parsers: list[Any]) -> list[Any]:
        return [message for parser in parsers for message in parser.feed(read)]

    refused = [type(message) for message in run(fresh())]
    require_equal(refused, [malformed] * REFUSED, "a frame too large")
    return Prepared(run, fresh)


KINDS: dict[str, tuple[str, Make, dict[str, int]]] = {
    "encode": ("a Store becomes a frame", _encode, MESSAGES),
    "parse": ("a frame becomes a Store, in one read", _parse, MESSAGES),
    "pieces": ("a frame becomes a Store, in reads of 16 KiB", _pieces, MESSAGES),
    "put": ("a record is put into the store", _put, MESSAGES),
    "batch": ("a record of a batch is stored: client, codec, 3 nodes", _batch, {}),
}


def _micro(kind: str, size: str) -> Micro:
    about, make, counts = KINDS[kind]
    return Micro(f"{about}: {size}", counts.get(size, BATCH), lambda: make(size))


SIZES = {f"{kind}_{size}": _micro(kind, size) for kind in KINDS for size in SIZES_BYTES} | {
    "parse_beyond": Micro("a frame beyond the limit is refused", REFUSED, _refuse)
}

GROWTHS = {
    f"{kind}_{large}_growth": (f"{kind}_{small}", f"{kind}_{large}")
    for kind in KINDS
    for small, large in pairwise(SIZES_BYTES)
}
"""By the name of a growth, between which two of SIZES it is."""
