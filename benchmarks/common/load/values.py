"""The keys and values that load is made of: every answer can be checked, whoever wrote it.

Rule: runs inside measuring processes; knows no schedule and no network.
"""

from __future__ import annotations

from benchmarks.common.workload import WrongValueError

__all__ = ["STAMP_BYTES", "StampedValues", "key_of", "record_of"]


STAMP_BYTES = 16  # in front of each value: whose it is, and which


def key_of(record: int) -> str:
    return f"load-{record}"


def record_of(key: str) -> int:
    return int(key.removeprefix("load-"))


class StampedValues:
    """Values that name their record and their write; the size follows from the record."""

    def __init__(self, sizes: list[int]) -> None:
        import random

        self._bodies = [random.Random(size).randbytes(size - STAMP_BYTES) for size in sizes]

    def value(self, record: int, write: int) -> bytes:
        """`write` is below 2^64 and different for every write."""
        return record.to_bytes(8, "big") + write.to_bytes(8, "big") + self._body(record)

    def check(self, record: int, value: bytes) -> int:
        """The write that a value names; WrongValueError unless some write of the record is it."""
        body = self._body(record)
        whole = len(value) == STAMP_BYTES + len(body) and value.endswith(body)
        if not whole or int.from_bytes(value[:8], "big") != record:
            raise WrongValueError(
                f"record {record} came back as {value[:40]!r}, {len(value)} bytes"
            )
        return int.from_bytes(value[8:STAMP_BYTES], "big")

    def _body(self, record: int) -> bytes:
        # Multiplying by the golden ratio (Knuth 6.4) spreads the popular records over the sizes.
        return self._bodies[(record * 2_654_435_769 >> 16) % len(self._bodies)]
