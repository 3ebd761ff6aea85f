"""The search on a bench whose best configuration is known, and once on the simulator."""

import math
from collections.abc import Sequence
from pathlib import Path

import pytest

from perflab.__main__ import main
from perflab.tune.objective import Rail, TuneObjective
from perflab.tune.record import TuneError, read_result
from perflab.tune.search import Seeds, SettingSearch, open_study
from perflab.tune.situations import Measured, Side
from perflab.tune.tunables import defaults, of_side, write_files

pytest.importorskip("optuna")

OBJECTIVE = TuneObjective(
    about="known",
    settings=["hedge_budget", "avoid_outliers", "witnesses"],
    weights={"slow.read_s_p99": 1.0},
    rails=[Rail(figure="slow.failed_ppm", most=0.5)],
)
BASE = {**defaults(), "hedge_budget": 0.0, "avoid_outliers": False}
SEEDS = Seeds.of(1, 2, 3, 4)


def known_bench(sides: Sequence[Side], seeds: Sequence[int]) -> list[list[Measured]]:
    """Best at a budget of 0.3 and with outliers avoided; beyond 0.4 it fails."""

    def one(side: Side, seed: int) -> Measured:
        budget = side["clients"]["hedge_budget"]
        slow = math.exp(4 * abs(budget - 0.3)) * (1 if side["clients"]["avoid_outliers"] else 3)
        noise = 1 + (seed * 37 % 11) / 100  # of the seed, for all configurations
        return {"slow.read_s_p99": slow * noise, "slow.failed_ppm": float(budget > 0.4)}

    return [[one(side, seed) for seed in seeds] for side in sides]


def search(trials: int, file: Path) -> tuple[list[tuple[float, bool]], SettingSearch]:
    found = SettingSearch(
        OBJECTIVE, known_bench, base=BASE, reference=defaults(), seeds=SEEDS, seed=1
    )
    rows = found.run(open_study(file), trials, math.inf, lambda *_: None)
    return [(round(row.score, 9), bool(row.rails)) for row in rows], found


def test_the_known_best_is_found_and_what_brings_nothing_is_put_back(tmp_path: Path) -> None:
    found = SettingSearch(
        OBJECTIVE, known_bench, base=BASE, reference=defaults(), seeds=SEEDS, seed=1
    )
    rows = found.run(open_study(tmp_path / "log"), 60, math.inf, lambda *_: None)
    assert rows[0].configuration == BASE
    assert any(row.rails for row in rows)
    best = found.sound(rows)
    assert best is not None
    assert best.configuration["hedge_budget"] == pytest.approx(0.3, abs=0.03)
    left, worth = found.simplified(best.configuration)
    assert left == {**best.configuration, "witnesses": BASE["witnesses"]}
    assert [each.name for each in worth if each.kept] == ["hedge_budget", "avoid_outliers"]
    by_name = {each.name: each for each in worth}
    assert by_name["avoid_outliers"].lost == pytest.approx([math.log(3)] * 3)


def test_an_interrupted_search_draws_what_a_whole_one_draws(tmp_path: Path) -> None:
    whole, _ = search(18, tmp_path / "whole")
    search(9, tmp_path / "parts")
    study = open_study(tmp_path / "parts")
    study.ask()  # of a run that was killed
    parts, _ = search(18, tmp_path / "parts")
    assert parts == whole


def test_a_file_that_is_no_study(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("hello\n")
    with pytest.raises(TuneError, match="no study"):
        open_study(tmp_path / "log")


def test_what_breaks_a_rail_on_other_seeds_is_not_taken(tmp_path: Path) -> None:
    _, plain = search(30, tmp_path / "log")
    rows = plain.run(open_study(tmp_path / "log"), 30, math.inf, lambda *_: None)
    best = plain.sound(rows)
    assert best is not None
    bad = best.configuration["hedge_budget"]

    def bench(sides: Sequence[Side], seeds: Sequence[int]) -> list[list[Measured]]:
        found = known_bench(sides, seeds)
        for side, figures in zip(sides, found, strict=True):
            for each in figures if tuple(seeds) == SEEDS.worth else []:
                each["slow.failed_ppm"] += side["clients"]["hedge_budget"] == bad
        return found

    wary = SettingSearch(OBJECTIVE, bench, base=BASE, reference=defaults(), seeds=SEEDS, seed=1)
    other = wary.sound(rows)
    assert other is not None
    assert other.configuration["hedge_budget"] != bad
    assert other.score > best.score


def test_files_that_nodes_and_clients_read(tmp_path: Path) -> None:
    import tomllib

    from p2pcore import ClientConfig
    from p2pcore.cli.defaults import parsed
    from p2pcore.cli.serve import config_of

    wanted = {**defaults(), "hedge_budget": 0.125, "overload_control": False, "witnesses": 4}
    files = write_files(wanted, "a test", tmp_path)
    config = config_of(parsed(["serve", "--config", str(files["serve.toml"])]))
    assert {name: getattr(config, name) for name in of_side(wanted, "nodes")} == of_side(
        wanted, "nodes"
    )
    client = ClientConfig(
        bootstrap=["h:1"], **tomllib.loads(files["client.toml"].read_text("utf-8"))
    )
    assert (client.hedge_budget, client.overload_control) == (0.125, False)


def test_what_was_detuned_is_found_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    words = ["tune", "--detuned", "hedges", "--trials", "10", "--search-seeds", "1",
             "--worth-seeds", "2", "--fresh-seeds", "3", "--out", str(out)]  # fmt: skip
    assert main(words) == 0, capsys.readouterr().out
    result = read_result(out)
    assert result.recovered is not None
    assert result.recovered.value >= 0.9
    assert not result.broken
    assert result.gain.high < -0.5
    assert [each.name for each in result.worth if each.kept]
    assert "<svg" in (out / "report.html").read_text()
    assert main([*words[:-4], "--fresh-seeds", "4", "--out", str(out)]) == 2  # another plan
    assert "with another seeds" in capsys.readouterr().err
