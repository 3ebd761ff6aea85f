"""What would become of the waits, in words; and what makes no sense is one line."""

import pytest

from perflab.__main__ import main
from perflab.critical import command
from perflab.critical.predict import SeededNetworks, Spread
from perflab.critical.work import CoreWork
from perflab.gate.cause.trees import Sums

KINDS = ("Store", "Stored", "Fetch", "Found")


def work_like(**units: float) -> CoreWork:
    """One store and one retrieve of as many messages as they take; of each function, units."""
    messages = {(("node", "client")[at % 2], kind): 60 for at, kind in enumerate(KINDS)}
    found = CoreWork(120, messages)
    for way in ("read", "send"):
        for kind in KINDS:
            sums = Sums({f"p2pcore/a.py:{name}": 60 * each for name, each in units.items()})
            found.own[way, kind] = found.within[way, kind] = sums
    return found


def bench_of(work: CoreWork) -> SeededNetworks:
    return SeededNetworks(work, busy=0.5, message_us=50.0, latency_us=100, operations=300, seeds=2)


def test_less_work_shortens_waits_and_as_much_changes_nothing() -> None:
    work = work_like(f=30.0, g=70.0)
    bench = bench_of(work)
    same = bench.with_kinds(work.kinds())
    assert (same.p50, same.p99) == bench.waits()
    assert (same.p99_change.mean, same.p99_change.half) == (0.0, 0.0)
    freed = bench.with_kinds(work.kinds({"p2pcore/a.py:f": 1.0}))
    assert freed.p50_change.mean < -0.05
    assert freed.p99_change.mean < -0.05
    assert freed.p50.mean > 0.2  # two ways of 100 µs are left in any case


def test_an_interval_is_of_seeds() -> None:
    assert Spread.of([1.0, 1.0, 1.0]).half == 0.0
    assert Spread.of([1.0, 2.0, 3.0]).mean == 2.0
    assert 1.5 < Spread.of([1.0, 2.0, 3.0]).half < 3.0


def test_a_table_has_a_row_for_each_function(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "work_of", lambda core: work_like(f=30.0, g=70.0))
    few = ["--seeds", "2", "--operations", "300"]
    assert main(["critical", "--functions", "1", *few]) == 0
    out = capsys.readouterr().out
    assert "read Fetch 70%" in out
    assert out.count("| a.py:") == 1
    for name in ("a.py:f", "p2pcore/a.py:f"):
        assert main(["critical", "--of", name, *few]) == 0
        assert "| a.py:f | 30.0% |" in capsys.readouterr().out


def test_a_prediction_is_held_against_another_commit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The other lacks f; if more is gone than f, or f was made up for, the prediction is off."""
    theirs = {"now": 70.0}
    works = {"base": work_like(f=30.0, g=70.0)}
    monkeypatch.setattr(
        command, "work_of", lambda core: works.pop("base", None) or work_like(g=theirs["now"])
    )
    monkeypatch.setattr(command, "_built", lambda commit: "")
    asked = ["critical", "HEAD", "--against", "HEAD", "--seeds", "2", "--operations", "300"]
    assert main(asked) == 0
    assert "off by +0.00%" in capsys.readouterr().out
    works["base"], theirs["now"] = work_like(f=30.0, g=70.0), 100.0
    assert main(asked) == 1
    assert "p2pcore/a.py:f 30.00%" in capsys.readouterr().out
    works["base"] = work_like(g=70.0)
    assert main(asked) == 2
    assert "is still run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["--seeds", "1"], "--seeds takes 2 to 1000, not 1"),
        (["--busy", "1.5"], "--busy takes 0.01 to 0.95, not 1.5"),
        (["--against", "HEAD"], "--against takes a COMMIT"),
        (["--of", "p2pcore/a.py:none"], "no message runs p2pcore/a.py:none"),
        (["no-such-commit"], "no-such-commit"),
    ],
)
def test_what_makes_no_sense_is_one_line(
    asked: list[str], said: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(command, "work_of", lambda core: work_like(f=1.0))
    monkeypatch.setattr(command, "SeededNetworks", lambda *_, **__: bench_of_nothing())
    assert main(["critical", *asked]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert len(err.splitlines()) == 1


def bench_of_nothing() -> object:
    class Nothing:
        unit_ns = 1.0

    return Nothing()
