"""What is kept is the same wherever and whenever it is looked at, but for one small object."""

import pytest

from benchmarks.rig.exact.memory_lab import KEEPERS, SIZE_BYTES, MemoryLab

NODES = 8
ONE_OBJECT_BYTES = 64  # on a busy machine one of 63 bytes, of all nodes together, is there or not


@pytest.mark.slow
def test_three_runs_keep_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = []
    for hash_seed in ("0", "1", "random"):
        monkeypatch.setenv("PYTHONHASHSEED", hash_seed)
        with MemoryLab(NODES) as lab:
            runs.append(lab.kept())
    assert tuple(runs[0]) == KEEPERS
    assert runs[0]["record"]["bytes"] > 3 * SIZE_BYTES  # each of the replicas has the value
    for run in runs[1:]:
        for keeper in KEEPERS:
            expected = pytest.approx(runs[0][keeper]["bytes"], abs=ONE_OBJECT_BYTES / NODES)
            assert run[keeper]["bytes"] == expected
