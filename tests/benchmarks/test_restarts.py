"""What comes back after a shutdown and a kill is all of it, or there is no figure."""

from pathlib import Path

import pytest

from benchmarks.common import subject
from benchmarks.common.loops import running_loop
from benchmarks.common.restarts import DurableNode, after_kill, after_shutdown, all_there, store

SIZE = 1024


def test_after_a_shutdown() -> None:
    found = after_shutdown([64, 128], 1, SIZE)
    for records in (64, 128):
        [pair] = found["ready", records]
        assert pair.subject_s > 0
        [kept] = found["kept", records]
        assert SIZE < kept < 8 * SIZE
        [written] = found["written", records]
        assert written > SIZE


@pytest.mark.usefixtures("no_process_left")
def test_after_a_kill() -> None:
    found = after_kill(100, 2, SIZE)
    assert len(found["recovery",]) == 2
    assert all(seconds > 0 for seconds in found["recovery",])
    assert found["heap",][0] > 0


def test_a_record_that_did_not_come_back_is_an_error(tmp_path: Path) -> None:
    """In memory, none does."""
    with running_loop(subject.default_loop()) as runner, DurableNode(tmp_path) as node:
        runner.run(store(node, 0, 8, SIZE))
        runner.run(all_there(node, 8, SIZE))
        node.kill()
        for path in tmp_path.rglob("records.db*"):
            path.unlink()
        node.start()
        with pytest.raises(RuntimeError, match="KeyNotFoundError"):
            runner.run(all_there(node, 8, SIZE))
