"""Edits of the core whose effect is known: neutral ones, and defects with where they must show.

The gate is tried on them: in short form by the tests, as whole commits by `end_to_end.py`. An edit
replaces lines; when the core has changed and a line is no longer there once, that is an error that
says so, and the edit needs another line.

Rule: data, and the replacing of text.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

__all__ = ["DEFECTS", "FRAME", "NEUTRAL", "Edit", "EditError", "apply", "misplaced", "missing"]


class EditError(Exception):
    """The core has no such line, or several; the message says which."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One change of the core."""

    name: str
    changes: tuple[tuple[str, str, str], ...] = ()
    """(file below p2pcore/, what stands there once, what replaces it)."""
    must: tuple[str, ...] = ()
    """Benchmarks that must be called regressions; none: the gate must not call anything one."""
    may: tuple[str, ...] = ()
    """Patterns of further ones that it is no wrong blame to name."""


def apply(edit: Edit, root: Path) -> None:
    """Change the sources below `root`/p2pcore. Raises EditError."""
    for name, old, new in edit.changes:
        file = root / "p2pcore" / name
        text = file.read_text(encoding="utf-8")
        if text.count(old) != 1:
            raise EditError(f"{edit.name}: p2pcore/{name} has {text.count(old)} times:\n{old}")
        file.write_text(text.replace(old, new), encoding="utf-8")


def missing(edit: Edit, blamed: set[str]) -> list[str]:
    """What should have been blamed and was not."""
    return [name for name in edit.must if name not in blamed]


def misplaced(edit: Edit, blamed: set[str]) -> list[str]:
    """What was blamed and has nothing to do with it."""
    right = (*edit.must, *edit.may)
    return sorted(each for each in blamed if not any(fnmatchcase(each, one) for one in right))


CODEC = "wire/codec.py"
ENCODE = "    body = _encode(message)\n"
FRAME = "    return len(body).to_bytes(HEADER_BYTES) + body\n"
PARSE = "                messages.append(_decode(data[body:start]))\n"
TAGS = "_KNOWN_TAGS = range(33)\n"
PUT = "        held = self._records.get(key)\n        if held is not None and held.version >="
GET = "        record = self._records.get(key)\n        if record is not None and 0 <"
REPLY = "            self._effects.append(Send((link.id,), reply))\n"
ASK = "        chosen = []\n        for entry in self._ranked"
PLACE = "        self.search(point, now, finish, width=count)\n"
DRAW = "        delay_ns = round(delay_ns * self._rng.uniform(0.8, 1.2))\n"
CLOSEST = '''    def closest(self, count: int = BUCKET_SIZE) -> list[Contact]:
        """The closest that are not known to be gone, nearest first."""
        return [entry.contact for entry in self._ranked[:count]]
'''
KNOWS = '''    def knows(self, node_id: bytes) -> bool:
        """True if this contact was heard of: nothing new can be heard of it."""
        return node_id in self._entries
'''
RECORD = "    value: bytes | None\n    expires_ms: int\n"
WIDER = "".join(f"    spare_{number}: None = None\n" for number in range(8))  # of 8 bytes each
ENOUGH = "            if len(self._acked) >= self.needed:\n                if now.mono_ns"
LITTLE = "; _ = wall_ms"  # 31 instructions; a comparison and its assignment are 141
MESSAGES = ("counts.*", "instructions.whole_*")  # whatever is made of messages
ENCODINGS = tuple(f"instructions.encode_{name}" for name in ("store", "stored", "fetch", "found"))

NEUTRAL = (
    Edit("nothing"),
    Edit(
        "renamed locals",
        (
            (CODEC, ENCODE, ENCODE.replace("body", "packed")),
            (CODEC, FRAME, FRAME.replace("body", "packed")),
        ),
    ),
    Edit(
        "one more random draw",
        (("overlay/membership.py", DRAW, "        self._rng.random()\n" + DRAW),),
    ),
    Edit(
        "reordered definitions",
        (
            ("overlay/lookup.py", CLOSEST, ""),
            ("overlay/lookup.py", KNOWS, CLOSEST + "\n" + KNOWS),
        ),
    ),
)

DEFECTS = (
    Edit(
        "5 % more work in a store",
        (("storage/memory.py", PUT, f"        _ = wall_ms < 0{LITTLE * 3}\n" + PUT),),
        ("instructions.store_put",),
        ("instructions.node_store", "instructions.whole_store", "counts.*.store*"),
    ),
    Edit(
        "5 % more work in a retrieve",
        (("storage/memory.py", GET, f"        _ = wall_ms{LITTLE}\n" + GET),),
        ("instructions.store_get",),
        ("instructions.node_fetch", "instructions.whole_retrieve", "counts.*retrieve*"),
    ),
    Edit(
        "5 % more work in the codec",
        ((CODEC, ENCODE, "    _ = HEADER_BYTES < 0\n" + ENCODE),),
        ENCODINGS,
        ("instructions.whole_*",),
    ),
    Edit(
        "5 % more work in a lookup",
        (("overlay/lookup.py", ASK, "        sum(range(60))\n" + ASK),),
        ("instructions.lookup",),
        ("counts.*_retrieve.*",),
    ),
    Edit(
        "one extra message",
        (("session/links.py", REPLY, REPLY + REPLY),),
        ("counts.messages.store.8", "counts.messages.retrieve.8", "counts.messages.store.32"),
        (*MESSAGES, "instructions.node_*"),
    ),
    Edit(
        "one extra hop",
        (
            (
                "overlay/directory.py",
                PLACE,
                "        self.search(point, now, lambda _, now: self.search(point, now, finish, "
                "width=count), width=count)\n",
            ),
        ),
        ("counts.messages.first_retrieve.8", "counts.messages.first_retrieve.32"),
        ("counts.*",),
    ),
    Edit(
        "200 bytes more per frame",
        (
            (CODEC, ENCODE, "    body = _encode(message) + bytes(200)\n"),
            (CODEC, PARSE, PARSE.replace("start]", "start - 200]")),
        ),
        ("counts.bytes.store.8", "counts.bytes.retrieve.8", "counts.bytes.store.32"),
        (*MESSAGES, "instructions.encode_*", "instructions.decode_*", "instructions.parse_*"),
    ),
    Edit(
        "an allocation per message",
        ((CODEC, FRAME, "    bytes(64)\n" + FRAME),),
        ("counts.allocations.store.8", "counts.allocations.retrieve.8"),
        (*MESSAGES, "instructions.encode_*"),
    ),
    Edit(
        "64 bytes more per record",
        (("storage/memory.py", RECORD, RECORD + WIDER),),
        ("memory.record.8",),
        ("instructions.*store*",),
    ),
    Edit(
        "a leak",
        (
            (CODEC, TAGS, TAGS + "_kept: object = None\n"),
            (CODEC, ENCODE, "    global _kept\n" + ENCODE + "    _kept = [body, _kept]\n"),
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
            (CODEC, TAGS, "import threading\n\n" + TAGS + "_lock = threading.Lock()\n"),
            (CODEC, ENCODE, "    with _lock:\n    " + ENCODE),
        ),
        ENCODINGS,
        MESSAGES,
    ),
    Edit(
        "a store waits for every replica",
        (
            (
                "replication/operations.py",
                ENOUGH,
                ENOUGH.replace("self.needed", "len(self.replicas)"),
            ),
        ),
        ("simulated.seconds.store.64",),
        ("counts.c_calls.store.*", "counts.c_calls.delete.*"),  # of len(), for each answer
    ),
)
