"""What a dense history is made of: which commits, of which suites, again after an interruption."""

import json
from pathlib import Path

import pytest

from perflab.bench import dense
from perflab.bench.budget import SUITES
from perflab.bench.dense import (
    EXACT,
    ONE_IN,
    SIMULATED,
    SLOWEST,
    dense_stages,
    measure_beside_others,
    slowdown,
    wait_for_room,
)
from perflab.results.asv_config import MeasureError
from perflab.results.suite import classes
from tests.perflab.bench.test_command import Project, project

__all__ = ["project"]

SUITE = ["counts.A.track_x", "memory.B.track_y", "simulated.C.track_z", "latency.D.track_w"]


def change(project: Project, *paths: str) -> str:
    """A commit that changes these files; its hash."""
    for path in paths:
        file = project.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(project.git("rev-list", "--count", "HEAD"))
        project.git("add", path)
    project.git("commit", "--quiet", "-m", "change " + " ".join(paths))
    return project.git("rev-parse", "HEAD")


def stored(project: Project, commit: str) -> set[str]:
    (path,) = (project.root / ".asv" / "results").glob(f"*/{commit[:8]}-*.json")
    return set(json.loads(path.read_text())["results"])


@pytest.fixture
def core(project: Project, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The commits that change the core, oldest first, among others."""
    monkeypatch.setattr(dense.wait_for_room, "__defaults__", (lambda: 1.0, pytest.fail))
    project.script(suite=SUITE)
    found = []
    for number in range(ONE_IN + 2):
        found.append(change(project, f"p2pcore/part_{number}.py"))
        change(project, "docs/words.md", "p2pcore/sim/world.py")
    return found


def test_counts_of_each_change_of_the_core_and_networks_of_every_fifth(
    project: Project, core: list[str]
) -> None:
    exact, simulated = dense_stages(project.root, "HEAD", quiet_machine=False)
    assert [each.hash for each in exact.commits] == core[::-1]
    assert [each.hash for each in simulated.commits] == [core[ONE_IN], core[0]]
    project.measure(dense=True, machine="lab")
    assert project.measured() == {each[:8] for each in core}
    assert stored(project, core[1]) == {"counts.A.track_x", "memory.B.track_y"}
    assert stored(project, core[0]) == {*SUITE} - {"latency.D.track_w"}
    assert not project.calls("publish")
    assert any("history pack" in line for line in project.lines)


def test_which_are_the_fifth_stays_as_commits_are_added(project: Project, core: list[str]) -> None:
    before = dense_stages(project.root, "HEAD", quiet_machine=False)[1].commits
    change(project, "p2pcore/more.py")
    after = dense_stages(project.root, "HEAD", quiet_machine=False)[1].commits
    assert after == before


def test_the_next_run_goes_on_where_one_ended(project: Project, core: list[str]) -> None:
    project.measure(dense=True, commits=f"{core[-3]}..HEAD")
    project.measure(dense=True)
    asked = [call[-1] for call in project.calls("run")]
    assert len(asked) == 2 + 1 + 5 + 1  # a run for each commit: exact ones, then a simulated one
    project.lines.clear()
    project.measure(dense=True)
    assert len(project.calls("run")) == 9
    told = [line for line in project.lines if "lacks results" in line]
    assert told == ["== none of 7 commits lacks results", "== none of 2 commits lacks results"]


def test_the_whole_suite_wants_a_quiet_machine(project: Project, core: list[str]) -> None:
    project.git("tag", "v1", core[2])
    project.measure(dense=True, quiet_machine=True)
    head = project.git("rev-parse", "HEAD")
    assert stored(project, core[2]) == stored(project, head) == {*SUITE}
    assert stored(project, core[3]) == {"counts.A.track_x", "memory.B.track_y"}


def test_a_range_without_a_change_of_the_core_is_said(project: Project, core: list[str]) -> None:
    with pytest.raises(MeasureError, match=r"no commit that changes the core in 'HEAD~1\.\.HEAD'"):
        project.measure(dense=True, commits="HEAD~1..HEAD")


def test_what_is_simulated_takes_no_clock_s_time() -> None:
    for suite in SIMULATED:
        found = classes(Path(__file__).parents[3] / "benchmarks" / f"{suite}.py")
        kinds = {about["kind"] for about in found.values() if "kind" in about}
        assert kinds <= {"exact", "seeded"}, suite
    assert {*EXACT, *SIMULATED} <= SUITES.keys()


def test_it_waits_until_others_leave_room() -> None:
    looks, pauses, lines = iter([60.0, 9.0, SLOWEST]), list[float](), list[str]()
    wait_for_room(lines.append, lambda: next(looks), pauses.append)
    assert len(pauses) == 2
    assert lines == [
        "== others need the processors (60 times slower than alone): waiting",
        "== there is room again",
    ]


def test_how_much_slower_is_measured_by_two_clocks() -> None:
    wall, spent = iter(range(1000)), iter(each / 50 for each in range(1000))
    assert 40 < slowdown(lambda: next(wall) / 10, lambda: next(spent) / 10) < 60
    assert slowdown() >= 0.9


def test_what_failed_is_tried_once_more() -> None:
    done: list[str] = []
    failing = [["counts.A.track_x"], []]

    def code(number: int) -> int:
        done.append(f"run {number}")
        return number

    def measured() -> int:
        return measure_beside_others(
            "1a2b3c4d a commit",
            lambda: code(2),
            lambda: code(0),
            lambda: failing.pop(0),
            done.append,
            lambda _: done.append("wait"),
        )

    assert measured() == 0
    assert done == [
        "wait", "run 2", "== 1a2b3c4d a commit: 1 failed; tried once more", "wait", "run 0",
    ]  # fmt: skip
    done.clear()
    assert measured() == 2  # nothing failed: asv said so for another reason
    assert done == ["wait", "run 2"]
