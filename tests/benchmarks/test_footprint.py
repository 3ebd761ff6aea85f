"""Memory is read where it can be trusted: this program's own peak, malloc's own count."""

import subprocess
import sys

import pytest

from benchmarks.common import footprint
from benchmarks.common.entry import SUITE_PARENT

MIB = 1 << 20
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")
counted = pytest.mark.skipif(footprint.heap_bytes() is None, reason="needs glibc's mallinfo2")


def alone(script: str) -> list[int]:
    """Run a script in a process of its own, where nothing else comes and goes; what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True, text=True, check=True, timeout=60, cwd=SUITE_PARENT,
    )  # fmt: skip
    return [int(word) for word in done.stdout.split()]


@linux
def test_peak_rises_and_can_be_reset() -> None:
    risen, freed, reset = alone(
        "from benchmarks.common import footprint\n"
        "footprint.reset_peak()\n"
        "before = footprint.peak_bytes()\n"
        f"block = bytearray(b'x') * {64 * MIB}\n"
        "print(footprint.peak_bytes() - before)\n"
        "del block\n"
        "print(footprint.peak_bytes() - before)\n"
        "footprint.reset_peak()\n"
        "print(footprint.peak_bytes() - before)\n"
    )
    assert risen > 60 * MIB
    assert freed > 60 * MIB
    assert reset < 30 * MIB


@linux
def test_peak_is_this_programs_own() -> None:
    """A fat parent shows in its children's ru_maxrss, which is what asv reads by default."""
    ballast = bytearray(b"x") * (256 * MIB)
    inherited, own = alone(
        "import gc, resource\n"
        "from asv_runner.benchmarks import peakmem\n"
        "from benchmarks.common.footprint import trust_own_peak\n"
        "trust_own_peak()\n"
        "asv = peakmem.PeakMemBenchmark('peak', gc.collect, [])\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, asv.run())"
    )
    assert own < len(ballast) < inherited


@counted
def test_heap_counts_what_malloc_hands_out() -> None:
    """4 KiB are above what Python's own allocator takes."""
    held, left = alone(
        "from benchmarks.common.footprint import heap_bytes\n"
        "before = heap_bytes()\n"
        "blocks = [bytes(4096) for _ in range(256)]\n"
        "print(heap_bytes() - before)\n"
        "del blocks\n"
        "print(heap_bytes() - before)\n"
    )
    assert 4096 * 256 <= held <= 4200 * 256
    assert abs(left) < 64 * 1024


def test_usage_names_its_units() -> None:
    row = footprint.usage()
    assert row["cpu_s"] > 0
    assert row["resident_bytes"] > MIB


@counted
def test_counting_the_heap_leaves_nothing_on_it() -> None:
    """Without a collection in between: the monitor counts several times a second."""
    before, after, everything = alone(
        "import gc\n"
        "from benchmarks.common import footprint\n"
        "footprint.heap_bytes()\n"
        "gc.disable()\n"
        "before = len(gc.get_objects())\n"
        "for _ in range(100): footprint.heap_bytes(collect=False)\n"
        "print(before, len(gc.get_objects()), int(footprint.counts_everything()))\n"
    )
    assert after - before < 10
    assert not everything  # Python's own allocator is in use
