"""A sweep files each seed once, goes on where it stopped, and says what it could not play."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from perflab.__main__ import main
from perflab.cluster.addresses import open_scheduler
from perflab.cluster.scheduler import Seat, TaskError
from perflab.sweep.record import SweepFileError, SweepPlan, SweepResult, read_sweep
from perflab.sweep.run import run_sweep


class Played:
    """A scheduler that plays in place, but for seeds that are to fail."""

    name = "in place"

    def __init__(self) -> None:
        self.seats: list[Seat] = []
        self.orders: list[list[int]] = []
        self.fails: set[int] = set()
        self.twice = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing is open."""

    def tasks(
        self, module: str, orders: Iterable[list[str]]
    ) -> Iterator[tuple[int, str | TaskError]]:
        assert module == "perflab.sweep.task"
        for number, (order,) in enumerate(orders):
            seeds = json.loads(order)["seeds"]
            self.orders.append(seeds)
            if self.fails & set(seeds):
                yield number, TaskError("ended with -9")
                continue
            said = "".join(
                json.dumps(
                    {"seed": n, "broken": "odd" if n % 7 == 0 else "", "figures": {"plays": 1}}
                )
                + "\n"
                for n in seeds
            )
            yield number, said * (2 if self.twice else 1)


def plan(seeds: int = 20, **more: object) -> SweepPlan:
    table = {"kind": "sim", "settings": {"scenario": None}, "package": "ab", "first": 1}
    return SweepPlan(**table | {"seeds": seeds} | more)


def swept(folder: Path, scheduler: Played, asked: SweepPlan) -> SweepResult:
    return run_sweep(asked, folder, scheduler, 3, lambda _: None)


def seeds_filed(folder: Path) -> list[int]:
    return [
        json.loads(line)["seed"] for line in (folder / "results.jsonl").read_text().splitlines()
    ]


def test_each_seed_is_filed_once(tmp_path: Path) -> None:
    scheduler = Played()
    scheduler.twice = True  # by a worker that died too late, and by another
    result = swept(tmp_path, scheduler, plan())
    assert seeds_filed(tmp_path) == list(range(1, 21))
    assert (result.left, result.figures["plays"]) == (0, 20)
    assert result.broken == {7: "odd", 14: "odd"}
    assert read_sweep(tmp_path) == result


def test_it_goes_on_where_it_stopped(tmp_path: Path) -> None:
    scheduler = Played()
    scheduler.fails = {5}
    first = swept(tmp_path, scheduler, plan())
    assert first.failed == {4: "ended with -9"}
    assert first.left == 3
    with (tmp_path / "results.jsonl").open("a") as file:
        file.write('{"seed": 99, "bro')  # a kill in the middle of a line
    again = Played()
    result = swept(tmp_path, again, plan(30))
    assert again.orders[0] == [4, 5, 6]
    assert again.orders[1] == [21, 22, 23]
    assert sorted(seeds_filed(tmp_path)) == list(range(1, 31))
    assert (result.left, result.figures["plays"]) == (0, 30)


@pytest.mark.parametrize(
    "other", [{"kind": "chaos"}, {"settings": {"scenario": "churn"}}, {"package": "cd"}]
)
def test_another_question_needs_another_directory(tmp_path: Path, other: dict[str, object]) -> None:
    swept(tmp_path, Played(), plan())
    with pytest.raises(SweepFileError, match=f"holds a sweep with {next(iter(other))}"):
        swept(tmp_path, Played(), plan(**other))


def test_what_is_no_sweep_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter").touch()
    with pytest.raises(SweepFileError, match="holds no sweep"):
        swept(tmp_path, Played(), plan())
    with pytest.raises(SweepFileError, match="takes 1 to 10,000,000, not 0"):
        plan(0)


@pytest.mark.usefixtures("no_process_left")
def test_the_command_plays_in_processes_and_tells_the_sums(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["sweep", "removals", "--nodes", "3", "--minutes", "1", "--out", str(tmp_path / "out")]
    assert main([*words, "--seeds", "2", "--scheduler", "local:2"]) == 0
    said = capsys.readouterr().out
    assert "node-hours: 0.1\nfalse removals: 0\n" in said
    assert "2 of 2 seeds played, each once; 0 broken, 0 not played" in said
    assert main([*words, "--seeds", "2"]) == 0
    assert "2 of 2 seeds were played before" in capsys.readouterr().out
    assert main([*words, "--at-once", "0"]) == 2
    assert main(["sweep", "removals", "--nodes", "0"]) == 2
    assert "--nodes takes 1 to 512, not 0" in capsys.readouterr().err
    assert main(["sweep", "sim", "--scenario", "nonsense"]) == 2
    assert "nonsense" in capsys.readouterr().err


def test_a_task_that_fails_is_tried_again_and_told() -> None:
    with open_scheduler("local:1") as scheduler:
        ((number, found),) = scheduler.tasks("perflab.sweep.task", [['{"kind": "none"}']])
    assert number == 0
    assert isinstance(found, TaskError)
    assert "KeyError: 'none'" in str(found)
