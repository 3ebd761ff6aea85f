"""What is kept is the same to the byte wherever and whenever it is looked at."""

import pytest

from benchmarks.common.counting.memory_lab import KEEPERS, SIZE_BYTES, MemoryLab


@pytest.mark.nightly
@pytest.mark.slow
def test_three_runs_keep_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = []
    for hash_seed in ("0", "1", "random"):
        monkeypatch.setenv("PYTHONHASHSEED", hash_seed)
        with MemoryLab(8) as lab:
            runs.append(lab.kept())
    assert tuple(runs[0]) == KEEPERS
    assert runs[0]["record"]["bytes"] > 3 * SIZE_BYTES  # each of the replicas has the value
    assert runs[0]["durable_record"]["bytes"] >= runs[0]["record"]["bytes"]
    assert runs[0] == runs[1] == runs[2]
