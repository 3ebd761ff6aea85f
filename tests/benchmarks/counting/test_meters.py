"""Meters count what was called, and nothing of their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.common.counting.meters import AllocationMeter, CallMeter, CountMeter

ROOT = Path(__file__).parents[3]


def half() -> int:
    return len("ab")


def whole() -> int:
    return half() + half()


def test_calls_in_python_and_in_c() -> None:
    meter = CallMeter()
    assert meter(whole) == 4
    assert dict(zip(meter.names, meter.counts, strict=True)) == {"python_calls": 3, "c_calls": 2}
    meter(half)
    assert meter.counts == [4, 3]
    assert sys.getprofile() is None


def test_arguments_and_errors_pass_through() -> None:
    for meter in (CountMeter(), CallMeter()):
        assert meter(int, "12", base=16) == 18
        with pytest.raises(ValueError, match="zz"):
            meter(int, "zz", base=16)
        assert sys.getprofile() is None


def test_allocations_need_a_plain_allocator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONMALLOC", raising=False)
    with pytest.raises(NotImplementedError, match="malloc"):
        AllocationMeter()


COUNTED = """
from benchmarks.common.counting.meters import AllocationMeter, MeterFullError
kept = [None] * 2000
places, sizes = tuple(range(2000)), (64, 1064)  # numbers are objects, too
def take(count):
    for place in places:
        if place >= count: break
        kept[place] = bytes(sizes[place & 1])
meter, counts = AllocationMeter(limit=1500), []
for count in (0, 0, 1, 7, 1000):
    meter.counts[0] = 0
    meter(take, count)
    counts.append(meter.counts[0])
print([count - counts[1] for count in counts])
try:
    meter(take, 1600)
except MeterFullError as error:
    print(error)
meter = meter.larger()
meter(take, 1600)
count = meter.counts[0]
try:
    meter(int, "zz")
except ValueError as error:
    print(count - counts[1], "and the hook is gone:", len(bytes(10**6)))
"""


def test_allocations_small_and_large_count_once() -> None:
    """In a process of its own: pytest's is not started with PYTHONMALLOC=malloc."""
    pytest.importorskip("_testcapi", reason="this Python comes without its own tests")
    done = subprocess.run(
        [sys.executable, "-c", COUNTED],
        env={**os.environ, "PYTHONMALLOC": "malloc", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    deltas, full, after = done.stdout.splitlines()
    assert deltas == "[0, 0, 1, 7, 1000]"
    assert full == "1500 or more in one call"
    assert after == "1600 and the hook is gone: 1000000"
