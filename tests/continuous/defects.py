"""Known defects of the core: code at the end of a module, and what it does to which figures."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["DEFECTS", "Defect", "codec_truth"]

SPIN = """
import functools as _functools
import time as _time


def _slower(owner, name, share):
    plain = getattr(owner, name)

    @_functools.wraps(plain)
    async def slower(*args, **options):
        begin = _time.perf_counter()
        result = await plain(*args, **options)
        end = _time.perf_counter()
        until = end + share * (end - begin)
        while _time.perf_counter() < until:
            pass
        return result

    setattr(owner, name, slower)

"""
TWICE = """
def _twice(owner, name):
    plain = getattr(owner, name)

    async def twice(*args, **options):
        await plain(*args, **options)
        return await plain(*args, **options)

    setattr(owner, name, twice)


_twice(AdaptiveClient, "retrieve")
"""
CODEC = """
_plain_encode = encode_frame


def encode_frame(message: Message) -> bytes:
    _encode(_encode(0))
    body = _encode(message)
    return len(body).to_bytes(HEADER_BYTES) + body
"""
TRUTH = """
import timeit
from p2pcore.ids import key_of
from p2pcore.versions import HybridClock
from p2pcore.wire import codec, messages

clock = HybridClock(bytes(32))
stores = [messages.Store(n, key_of(str(n)), clock.next(1), bytes(1024)) for n in range(128)]


def run(encode):
    for store in stores:
        encode(store)


took = [[], []]
for _ in range(400):
    for place, encode in enumerate((codec._plain_encode, codec.encode_frame)):
        took[place].append(timeit.timeit(lambda: run(encode), number=5))
print(min(took[1]) / min(took[0]))
"""


@dataclass(frozen=True)
class Defect:
    """Code at the end of a module of the core, and what it must do to which figures."""

    name: str
    module: str
    code: str
    bench: str
    """What to run."""
    truth: tuple[tuple[str, float], ...]
    """Pattern of asv's names with their parameters, and head over base."""


ALONE = r"(baseline\.Clock\S*\('{0}', (64|1024)\)|concurrency\.\w+\.track_(sec|p50)\S*\('{0}', 1\))"
SOCKETS = r"^(baseline\.Clock|concurrency\.(Throughput|Latency))"


def _edge(name: str, operations: Sequence[str], share: float = 0.15) -> Defect:
    lines = "".join(f'_slower(AdaptiveClient, "{each}", {share})\n' for each in operations)
    truth = tuple((ALONE.format(each), 1 + share) for each in operations)
    return Defect(name, "p2pcore/aio/client.py", SPIN + lines, SOCKETS, truth)


DEFECTS = (
    _edge("store", ["store"]),
    _edge("retrieve", ["retrieve"]),
    _edge("edge", ["store", "retrieve", "delete"]),
    Defect("trip", "p2pcore/aio/client.py", TWICE, SOCKETS, ((ALONE.format("retrieve"), 2.0),)),
    Defect(
        "codec",
        "p2pcore/wire/codec.py",
        CODEC,
        r"^hotpath\.Encode",
        ((r"hotpath\.Encode\S*\('encode_(store|found)'\)", math.nan),),
    ),
)


def codec_truth(core: Path) -> float:
    """Head over base of an encoded Store: both in turn in one process, the least of many."""
    done = subprocess.run(
        [sys.executable, "-c", TRUTH], cwd=core, capture_output=True, text=True, check=True
    )
    return float(done.stdout)
