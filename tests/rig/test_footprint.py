"""Memory is read where it can be trusted: this program's own peak, malloc's own count."""

import gc
import subprocess
import sys

import pytest

from benchmarks.rig import footprint
from benchmarks.rig.entry import SUITE_PARENT

MIB = 1 << 20
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")
counted = pytest.mark.skipif(footprint.heap_bytes() is None, reason="needs glibc's mallinfo2")


@linux
def test_peak_rises_and_can_be_reset() -> None:
    footprint.reset_peak()
    before = footprint.peak_bytes()
    block = bytearray(b"x") * (64 * MIB)
    assert footprint.peak_bytes() - before > 60 * MIB
    del block
    assert footprint.peak_bytes() - before > 60 * MIB
    footprint.reset_peak()
    assert footprint.peak_bytes() - before < 30 * MIB


@linux
def test_peak_is_this_programs_own() -> None:
    """A fat parent shows in its children's ru_maxrss, which is what asv reads by default."""
    ballast = bytearray(b"x") * (256 * MIB)
    script = (
        "import gc, resource\n"
        "from asv_runner.benchmarks import peakmem\n"
        "from benchmarks.rig.footprint import trust_own_peak\n"
        "trust_own_peak()\n"
        "asv = peakmem.PeakMemBenchmark('peak', gc.collect, [])\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, asv.run())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True, text=True, check=True, timeout=60, cwd=SUITE_PARENT,
    )  # fmt: skip
    inherited, own = map(int, done.stdout.split())
    assert own < len(ballast) < inherited


@counted
def test_heap_counts_what_malloc_hands_out() -> None:
    gc.collect()
    before = footprint.heap_bytes()
    assert before is not None
    blocks = [bytes(4096) for _ in range(256)]  # above what Python's own allocator takes
    after = footprint.heap_bytes()
    assert after is not None
    assert 4096 * 256 <= after - before <= 4200 * 256
    del blocks
    end = footprint.heap_bytes()
    assert end is not None
    assert abs(end - before) < 64 * 1024


def test_usage_names_its_units() -> None:
    row = footprint.usage()
    assert row["cpu_s"] > 0
    assert row["resident_bytes"] > MIB
