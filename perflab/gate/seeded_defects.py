"""Edits of the core whose effect is known: neutral ones, and defects with where they must show.

The gate is tried on them: in short form by the tests, as whole commits by `end_to_end.py`. An edit
names symbols of the core, not lines; where a symbol is gone, that is an error that says so, and the
edit needs another one.

Rule: data; `symbol_edits.py` changes the text.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from benchmarks.common.counting.wire_loop import LOOPS
from perflab.gate.edge import KEPT_METRICS
from perflab.gate.symbol_edits import (
    EditError,
    SymbolEdit,
    after,
    before,
    begin,
    fields,
    moved,
    renamed,
    replaced,
    twice,
    within,
    wrapped,
)
from perflab.gate.waits.figures import SLOW

__all__ = ["CODEC", "DEFECTS", "NEUTRAL", "Edit", "EditError", "apply", "misplaced", "missing"]


@dataclass(frozen=True, slots=True)
class Edit:
    """One change of the core."""

    name: str
    changes: tuple[SymbolEdit, ...] = ()
    """Of files below p2pcore/."""
    must: tuple[str, ...] = ()
    """Benchmarks that must be called regressions; none: the gate must not call anything one."""
    may: tuple[str, ...] = ()
    """Patterns of further ones that it is no wrong blame to name."""


def apply(edit: Edit, root: Path) -> None:
    """SymbolEdit the sources below `root`/p2pcore. Raises EditError."""
    for change in edit.changes:
        file = root / "p2pcore" / change.file
        if not file.is_file():
            raise EditError(f"{edit.name}: there is no p2pcore/{change.file}")
        try:
            text = change.apply(file.read_text(encoding="utf-8"))
        except EditError as error:
            raise EditError(f"{edit.name}: p2pcore/{error}") from None
        file.write_text(text, encoding="utf-8")


def missing(edit: Edit, blamed: set[str]) -> list[str]:
    """What should have been blamed and was not."""
    return [name for name in edit.must if name not in blamed]


def misplaced(edit: Edit, blamed: set[str]) -> list[str]:
    """What was blamed and has nothing to do with it."""
    right = (*edit.must, *edit.may)
    return sorted(each for each in blamed if not any(fnmatchcase(each, one) for one in right))


CODEC, ENCODE = "wire/codec.py", "encode_frame"
CONNECTION, INTAKE = "aio/connection.py", "aio/intake.py"
REPLICA = "replication/replica.py"
LONGER = ("instructions.edge_*", "instructions.whole_*", "instructions.life_*")
MEMORY, LOOKUP = "storage/memory.py", "overlay/lookup.py"
WIDER = "".join(f"spare_{number}: None = None\n" for number in range(8))  # of 8 bytes each
LITTLE = "; _ = wall_ms"  # 31 instructions; a comparison and its assignment are 141
MESSAGES = ("counts.*", "instructions.whole_*")  # whatever is made of messages
ENCODINGS = tuple(f"instructions.encode_{name}" for name in ("store", "stored", "fetch", "found"))
HEAVY_ENCODE = """
def encode_frame(message: Message) -> bytes:
    body = _plain_encode_frame(message)[HEADER_BYTES:] + bytes(200)
    return len(body).to_bytes(HEADER_BYTES) + body
"""
HEAVY_DECODE = """_plain_decode = _decode


def _decode(data: bytes) -> Message:
    return _plain_decode(data[:-200])
"""
COPYING_ENCODE = """
def encode_frame(message: Message) -> bytes:
    frame = _plain_encode_frame(message)
    return frame if len(frame) < 500_000 else bytes(bytearray(frame))
"""
TWO_LOOKUPS = """
def locate(self, point: int, count: int, now: Instant, placed: Placed) -> None:
    self._plain_locate(
        point, count, now, lambda _, now: self._plain_locate(point, count, now, placed)
    )
"""

LATE_SERVE = """
def _serve(
    self, connection: Connection, messages: Iterable[Incoming], instant: Instant
) -> None:
    messages = list(messages) if type(messages) is not list else messages
    if self._serves and any(getattr(each, "key", b"?")[0] % 64 == 0 for each in messages):
        later = lambda: self._plain__serve(connection, messages, now())
        self._loop.call_later(0.05, later)
    else:
        self._plain__serve(connection, messages, instant)
"""

NEUTRAL = (
    Edit("nothing"),
    Edit("renamed locals", (renamed(CODEC, ENCODE), renamed(CODEC, "FrameParser.feed"))),
    Edit(
        "one more random draw",
        (begin("overlay/membership.py", "Membership._wake_in", "self._rng.random()"),),
    ),
    Edit("reordered definitions", (moved(LOOKUP, "Lookup.closest"), moved(LOOKUP, "Lookup.knows"))),
)

DEFECTS = (
    Edit(
        "5 % more work in a store",
        (begin(MEMORY, "MemoryStore.put", f"_ = wall_ms < 0{LITTLE * 3}"),),
        ("instructions.store_put",),
        ("instructions.node_store", "instructions.whole_store", "counts.*.store*"),
    ),
    Edit(
        "5 % more work in a retrieve",
        (begin(MEMORY, "MemoryStore.get", f"_ = wall_ms{LITTLE}"),),
        ("instructions.store_get",),
        ("instructions.node_fetch", "instructions.whole_retrieve", "counts.*retrieve*"),
    ),
    Edit(
        "5 % more work in the codec",
        (begin(CODEC, ENCODE, "_ = HEADER_BYTES < 0"),),
        ENCODINGS,
        ("instructions.whole_*",),
    ),
    Edit(
        "5 % more work in a lookup",
        (begin(LOOKUP, "Lookup.next_to_ask", "sum(range(60))"),),
        ("instructions.lookup",),
        ("counts.*_retrieve.*",),
    ),
    Edit(
        "one extra message",
        (twice("session/links.py", "Links.reply", "Send"),),
        ("counts.messages.store.8", "counts.messages.retrieve.8", "counts.messages.store.32"),
        (*MESSAGES, "instructions.node_*"),
    ),
    Edit(
        "one extra hop",
        (wrapped("overlay/directory.py", "Directory.locate", TWO_LOOKUPS),),
        ("counts.messages.first_retrieve.8", "counts.messages.first_retrieve.32"),
        ("counts.*",),
    ),
    Edit(
        "200 bytes more per frame",
        (wrapped(CODEC, ENCODE, HEAVY_ENCODE), after(CODEC, "_decode", HEAVY_DECODE)),
        ("counts.bytes.store.8", "counts.bytes.retrieve.8", "counts.bytes.store.32"),
        (*MESSAGES, "instructions.encode_*", "instructions.decode_*", "instructions.parse_*"),
    ),
    Edit(
        "an allocation per message",
        (begin(CODEC, ENCODE, "bytes(64)"),),
        ("counts.allocations.store.8", "counts.allocations.retrieve.8"),
        (*MESSAGES, "instructions.encode_*"),
    ),
    Edit(
        "64 bytes more per record",
        (fields(MEMORY, "Record", WIDER),),
        ("memory.record.8", "memory.durable_record.8"),
        ("instructions.*store*",),
    ),
    Edit(
        "a leak",
        (
            begin(CODEC, ENCODE, "global _kept\n_kept = [bytes(64), _kept]"),
            before(CODEC, ENCODE, "_kept: object = None\n\n"),
        ),
        ("memory.record.8", "counts.allocations.store.8", "counts.allocations.retrieve.8"),
        # What stays on the heap moves malloc's part, and no other, of what handles buffers later.
        (
            *MESSAGES,
            "memory.*",
            *(f"instructions.{what}_*" for what in ("encode", "decode", "parse", "whole")),
        ),
    ),
    Edit(
        "a lock held",
        (
            within(CODEC, ENCODE, "with _lock:"),
            before(CODEC, ENCODE, "import threading\n\n_lock = threading.Lock()\n\n"),
        ),
        ENCODINGS,
        MESSAGES,
    ),
    Edit(
        "one more call per request at the edge",
        (begin(CONNECTION, "Connection.flush", "len(b'')"),),
        tuple(
            f"counts.c_calls.edge_{operation}.{loop}"
            for operation in ("store", "retrieve")
            for loop in LOOPS
        ),
        ("counts.c_calls.edge_*", "instructions.edge_*"),
    ),
    Edit(
        "large frames are copied once more",
        (wrapped(CODEC, ENCODE, COPYING_ENCODE),),
        ("instructions.encode_1MiB", "instructions.encode_1MiB_growth"),
        (
            *(f"instructions.{name}*" for name in ("batch_1MiB", "edge_", "encode_", "whole_")),
            "counts.*",
        ),
    ),
    Edit(
        "a connection leaks",
        (
            begin(CONNECTION, "Connection.connection_lost", "_gone.append(self)"),
            before(CONNECTION, "Connection", "_gone: list[object] = []\n\n"),
        ),
        KEPT_METRICS,
        ("counts.c_calls.edge_*", "instructions.edge_*"),
    ),
    Edit(
        "a timer looks at every record",
        (begin(REPLICA, "Replica.handle_timer", "tuple(self._store._records)"),),
        ("instructions.records_turn_growth",),
        ("counts.*", "instructions.*_turn_growth", *LONGER),
    ),
    Edit(
        "a forgotten tombstone's key is kept",
        (
            begin(MEMORY, "MemoryStore._remove", "_gone.append(bytearray(key))"),
            before(MEMORY, "MemoryStore", "_gone: list[object] = []\n\n"),
        ),
        ("memory.life_overwrites", "memory.life_deletes"),
        ("instructions.life_end", "counts.*", "memory.*"),
    ),
    Edit(
        "pings are sent twice",
        (twice("overlay/liveness.py", "Liveness.probe", "self.links.ask"),),
        tuple(f"traffic.messages.{name}.8" for name in ("upkeep_with_records", "mixed")),
        ("counts.*", "events.*", "traffic.*", "changes.*", "simulated.*"),
    ),
    Edit(
        "copies wait twice as long",
        (replaced("node.py", "Node.__init__", "config.copy_after_s", "2 * config.copy_after_s"),),
        ("changes.seconds.copies.8",),
        ("counts.*", "traffic.*"),
    ),
    Edit(
        "a store waits for every replica",
        (
            replaced(
                "replication/operations.py",
                "WriteOperation.replied",
                "self.needed",
                "len(self.replicas)",
            ),
        ),
        ("simulated.seconds.store.64",),
        # Of len(), for each answer; who waits for more of them waits longer at sockets, too.
        ("counts.c_calls.store.*", "counts.c_calls.delete.*", "counts.c_calls.edge_*", "waits.*"),
    ),
    Edit(
        "one of 64 keys is waited for at sockets, for 50 ms",
        (wrapped(INTAKE, "Intake._serve", LATE_SERVE),),
        (SLOW[0.001],),
        ("waits.*", "counts.*.edge_*", "instructions.edge_*"),
    ),
)
