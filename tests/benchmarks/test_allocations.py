"""The line that keeps memory is named, with its bytes; what was given back is not."""

import pytest

from benchmarks.common.allocations import trace_begin, trace_end

BLOCK_BYTES = 10_000


def test_the_line_that_keeps_is_named() -> None:
    trace_begin()
    given_back = [bytes(BLOCK_BYTES) for _ in range(50)]
    trace_begin()  # anew: what was allocated so far is no growth
    kept = [bytes(BLOCK_BYTES) for _ in range(20)]
    given_back.clear()
    sites = trace_end()
    assert "benchmarks/test_allocations.py" in sites[0]["place"]
    assert 20 * BLOCK_BYTES <= sites[0]["size_bytes"] < 21 * BLOCK_BYTES
    assert 20 <= sites[0]["blocks"] < 25
    assert len(kept) == 20
    assert all(site["size_bytes"] > 0 for site in sites)
    assert not any("tracemalloc" in site["place"] for site in sites)


def test_an_end_without_a_beginning_is_refused() -> None:
    with pytest.raises(RuntimeError, match="not being traced"):
        trace_end()
