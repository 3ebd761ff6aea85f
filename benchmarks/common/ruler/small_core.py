"""The ruler of processor time: a small store of today's kind, frozen.

Theory of operation. A spell of the machine slows different work differently: memory, branches and
caches each have their own neighbours. So the ruler does what the core does, in small: a client asks
three of eight replicas through frames of MessagePack, versions are compared, acknowledgements
counted, effects queued and carried out (over half of its time); messages are encoded and parsed in
a tight loop (a fifth); contacts are ranked by distance (a fifth). It has keys, values and tables of
its own, so it never warms what the subject is about to touch.

Frozen: whoever changes a line below that runs inside `work` raises CORE_RULER in `versions.py`,
which is part of the version of every benchmark that is timed beside it, and measures `REFERENCE_S`
anew.

Rule: nothing of p2pcore, and nothing that is shared with what is measured.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from typing import Any

__all__ = ["REFERENCE_S", "SmallCore"]

REFERENCE_S = 800e-6
"""Seconds of processor time of one `work`: a fixed number, about what one of our machines took in
November 2026. Figures at reference speed are those of a machine that takes just this."""

REPLICAS, ASKED, QUORUM = 8, 3, 2
KEYS = 16
MESSAGES = 128
CONTACTS, TARGETS, NEAREST = 140, 16, 20
VALUE_BYTES = 1024
HEADER_BYTES = 4
EPOCH_MS = 1_700_000_000_000


@dataclass(frozen=True, slots=True)
class _Send:
    links: list[int]
    message: Any


@dataclass(frozen=True, slots=True)
class _Done:
    operation: int
    result: Any


@cache
def _wire() -> dict[str, Any]:
    """The messages and their codec; msgspec is imported here, as no suite may at module level."""
    import msgspec

    fields: dict[str, list[tuple[str, type]]] = {
        "Put": [("id", int), ("key", bytes), ("version", bytes), ("value", bytes)],
        "Kept": [("id", int)],
        "Ask": [("id", int), ("key", bytes)],
        "Have": [("id", int), ("version", bytes), ("value", bytes)],
    }
    found: dict[str, Any] = {
        name: msgspec.defstruct(name, columns, frozen=True, array_like=True, tag=number)
        for number, (name, columns) in enumerate(fields.items())
    }
    union = found["Put"] | found["Kept"] | found["Ask"] | found["Have"]
    found["encode"] = msgspec.msgpack.Encoder().encode
    found["decode"] = msgspec.msgpack.Decoder(union).decode
    return found


class _Parser:
    """Cuts bytes into messages."""

    __slots__ = ("_decode", "_pending")

    def __init__(self) -> None:
        self._decode = _wire()["decode"]
        self._pending = bytearray()

    def feed(self, data: bytes) -> list[Any]:
        if self._pending:
            self._pending += data
            data = bytes(self._pending)
            self._pending.clear()
        messages, start, end = [], 0, len(data)
        while end - start >= HEADER_BYTES:
            body = start + HEADER_BYTES
            size = int.from_bytes(data[start:body])
            if body + size > end:
                break
            start = body + size
            messages.append(self._decode(data[body:start]))
        if start < end:
            self._pending += data[start:]
        return messages


class _Replica:
    """Keeps the newest version of each record and answers."""

    def __init__(self) -> None:
        wire = _wire()
        self._kept, self._have = wire["Kept"], wire["Have"]
        self._handlers = {wire["Put"]: self._on_put, wire["Ask"]: self._on_ask}
        self._records: dict[bytes, tuple[bytes, bytes]] = {}
        self._effects: list[Any] = []

    def receive(self, link: int, message: Any) -> None:
        self._handlers[type(message)](link, message)

    def drain(self) -> list[Any]:
        effects, self._effects = self._effects, []
        return effects

    def _on_put(self, link: int, message: Any) -> None:
        held = self._records.get(message.key)
        if held is None or held[0] <= message.version:
            self._records[message.key] = (message.version, message.value)
        self._effects.append(_Send([link], self._kept(message.id)))

    def _on_ask(self, link: int, message: Any) -> None:
        version, value = self._records[message.key]
        self._effects.append(_Send([link], self._have(message.id, version, value)))


class _Call:
    """An operation whose answers are counted."""

    __slots__ = ("answers", "best", "operation", "value")

    def __init__(self, operation: int) -> None:
        self.operation = operation
        self.answers = 0
        self.best = b""
        self.value: Any = None


class _Asker:
    """The client: chooses replicas by distance, counts answers, keeps the newest."""

    def __init__(self, points: list[int]) -> None:
        wire = _wire()
        self._put, self._ask = wire["Put"], wire["Ask"]
        self._handlers = {wire["Kept"]: self._on_kept, wire["Have"]: self._on_have}
        self._points = points
        self._calls: dict[int, _Call] = {}
        self._effects: list[Any] = []
        self._next_id = self._clock = 0

    def store(self, operation: int, name: str, value: bytes) -> None:
        key = sha256(name.encode()).digest()
        self._clock += 1
        version = (EPOCH_MS << 16 | self._clock).to_bytes(16)
        number = self._begin(operation)
        self._effects.append(
            _Send(self._closest(key, ASKED), self._put(number, key, version, value))
        )

    def retrieve(self, operation: int, name: str) -> None:
        key = sha256(name.encode()).digest()
        number = self._begin(operation)
        self._effects.append(_Send(self._closest(key, QUORUM), self._ask(number, key)))

    def receive(self, link: int, message: Any) -> None:
        self._handlers[type(message)](message)

    def drain(self) -> list[Any]:
        effects, self._effects = self._effects, []
        return effects

    def _begin(self, operation: int) -> int:
        self._next_id += 1
        self._calls[self._next_id] = _Call(operation)
        return self._next_id

    def _closest(self, key: bytes, count: int) -> list[int]:
        point, points = int.from_bytes(key), self._points
        return sorted(range(len(points)), key=lambda link: points[link] ^ point)[:count]

    def _on_kept(self, message: Any) -> None:
        call = self._calls.get(message.id)
        if call is not None:
            call.answers += 1
            self._finish(message.id, call, call.answers)

    def _on_have(self, message: Any) -> None:
        call = self._calls.get(message.id)
        if call is not None:
            call.answers += 1
            if message.version > call.best:
                call.best, call.value = message.version, message.value
            self._finish(message.id, call, call.value)

    def _finish(self, number: int, call: _Call, result: Any) -> None:
        if call.answers == QUORUM:
            del self._calls[number]
            self._effects.append(_Done(call.operation, result))


class SmallCore:
    """A client and eight replicas, joined in memory."""

    def __init__(self) -> None:
        self._encode = _wire()["encode"]
        self._replicas = [_Replica() for _ in range(REPLICAS)]
        self._asker = _Asker(_points("replica", REPLICAS))
        self._inward = [_Parser() for _ in range(REPLICAS)]
        self._outward = [_Parser() for _ in range(REPLICAS)]
        self._frames: deque[tuple[bool, int, bytes]] = deque()
        self._names = [f"ruler key {number}" for number in range(KEYS)]
        self._body = sha256(b"ruler").digest() * (VALUE_BYTES // 32 - 1)
        self._contacts, self._targets = _points("contact", CONTACTS), _points("target", TARGETS)
        self._messages = [
            _wire()["Put"](number, sha256(b"%d" % number).digest(), bytes(16), bytes(VALUE_BYTES))
            for number in range(MESSAGES)
        ]
        self._edition = 0
        self._results: dict[int, Any] = {}

    def work(self) -> list[Any]:
        """One piece of work; returns what `check` is to look at."""
        self._edition += 1
        stamp = self._edition.to_bytes(32)
        for number, name in enumerate(self._names):
            self._asker.store(number, name, stamp + self._body)
        self._run()
        for number, name in enumerate(self._names):
            self._asker.retrieve(number, name)
        self._run()
        read = [self._results.pop(number) for number in range(KEYS)]
        return [read, self._encode_and_parse(), self._rank()]

    def check(self, found: list[Any]) -> None:
        """AssertionError unless that is what the last `work` must give."""
        read, parsed, ranked = found
        known = self._contacts
        if (
            read != [self._edition.to_bytes(32) + self._body] * KEYS
            or parsed != self._messages
            or ranked
            != [sorted(known, key=lambda point: point ^ to)[:NEAREST] for to in self._targets]
        ):
            raise AssertionError("the ruler's work went wrong: its times mean nothing")

    def _encode_and_parse(self) -> list[Any]:
        encode = self._encode
        frames = []
        for message in self._messages:
            body = encode(message)
            frames.append(len(body).to_bytes(HEADER_BYTES) + body)
        parser = _Parser()
        return [message for frame in frames for message in parser.feed(frame)]

    def _rank(self) -> list[list[int]]:
        contacts = self._contacts
        return [sorted(contacts, key=to.__xor__)[:NEAREST] for to in self._targets]

    def _run(self) -> None:
        self._carry_out(True, 0, self._asker.drain())
        frames = self._frames
        while frames:
            inward, link, frame = frames.popleft()
            parser = (self._inward if inward else self._outward)[link]
            machine: Any = self._replicas[link] if inward else self._asker
            for message in parser.feed(frame):
                machine.receive(link, message)
            self._carry_out(not inward, link, machine.drain())

    def _carry_out(self, inward: bool, link: int, effects: list[Any]) -> None:
        for effect in effects:
            if type(effect) is _Done:
                self._results[effect.operation] = effect.result
                continue
            body = self._encode(effect.message)
            frame = len(body).to_bytes(HEADER_BYTES) + body
            for to in effect.links if inward else [link]:
                self._frames.append((inward, to, frame))


def _points(name: str, count: int) -> list[int]:
    """So many points, always the same for a name."""
    return [
        int.from_bytes(sha256(f"ruler {name} {number}".encode()).digest())
        for number in range(count)
    ]
