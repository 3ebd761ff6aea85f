"""Whatever a file of ours holds, its reader returns a valid value or raises its own error: values
of every shipped and recorded file are replaced by ones of wrong types and ranges, one at a time."""

import copy
import json
import shutil
from collections.abc import Callable, Iterator
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from perflab.__main__ import main
from perflab.forms import MOST_DEEP, MOST_TEXT_BYTES, document, toml_table
from perflab.gate.judge import judge as judge_gate
from perflab.gate.policy import POLICY, PolicyError, load_policy
from perflab.gate.record import MeasuredError
from perflab.gate.record import load as read_measured
from perflab.gate.record import parse as parse_measured
from perflab.load.record import read_load
from perflab.load.replay import ScenarioError, read_trace
from perflab.load.scenario import SHIPPED, read_scenario
from perflab.monitor.record import read_recording
from perflab.readiness.baseline import FiledError, baseline, read_report
from perflab.readiness.record import read_record
from perflab.readiness.report import build
from perflab.readiness.single_run_report import build_run
from perflab.readiness.targets import SHIPPED as TARGETS
from perflab.readiness.targets import read_targets
from perflab.readiness.trends import histories
from perflab.site.readings import FIGURES, ReadingsError, load_readings
from perflab.stats.thresholds import TargetError
from tests.perflab.recorded import CAUSES, RECORDED
from tests.runs import read_run

DEEP = 3000
HUGE = 1 << 63
WRONG: list[Any] = [
    "text", "", [], ["constant"], {}, {"a": 1}, True, -1, 0, 0.5, 1e308, -1e308, HUGE, 10**400,
]  # fmt: skip
ONLY_TOML = [float("nan"), float("inf")]
GONE = object()


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where values stand; of a list the first and the last."""
    if at:
        yield at
    if isinstance(value, dict):
        for name, each in value.items():
            yield from places(each, (*at, name))
    elif isinstance(value, list):
        for number in sorted({0, len(value) - 1} if value else set()):
            yield from places(value[number], (*at, number))


def mutants(value: Any, wrong: list[Any], each_place: int) -> Iterator[tuple[str, Any]]:
    """What the file would hold with one value replaced, or taken away; `each_place` of the wrong
    values at every place, all of them over several places."""
    turn = 0
    for at in places(value):
        for bad in [GONE, *(wrong[(turn + n) % len(wrong)] for n in range(each_place))]:
            changed = copy.deepcopy(value)
            owner = changed
            for step in at[:-1]:
                owner = owner[step]
            if bad is GONE:
                del owner[at[-1]]
            else:
                owner[at[-1]] = copy.deepcopy(bad)
            yield f"{at}: {str(bad)[:40]}", changed
        turn += each_place


def toml(value: Any) -> str:
    """As TOML writes a value in a line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(toml(each) for each in value) + "]"
    return json.dumps(value) if isinstance(value, str) else str(value)


def document_of(table: dict[str, Any]) -> str:
    return "".join(f"{json.dumps(name)} = {toml(value)}\n" for name, value in table.items())


def one_line(error: BaseException) -> None:
    assert str(error)
    assert "\n" not in str(error)
    assert len(str(error)) < 1000


def tried(
    what: str, reader: Callable[[Path], object], path: Path, *faults: type[ValueError]
) -> None:
    """Read it: all well, or one of the faults, in one line. Without faults, any but a bare one."""
    try:
        reader(path)
    except Exception as error:
        own = isinstance(error, faults or ValueError) and type(error) is not ValueError
        if not own:
            raise AssertionError(f"{what}: {error!r}") from error
        one_line(error)


def plays(path: Path) -> None:
    """What a run would ask of a scenario before it begins."""
    scenario = read_scenario(str(path))
    assert scenario.duration_s > 0
    list(islice(scenario.due(), 100))
    [scenario.rate_at(at_s) for at_s in (0, 1, 1e6)]
    scenario.spans()


TOMLS: list[tuple[Path, Callable[[Path], object], type[ValueError]]] = [
    *((path, plays, ScenarioError) for path in sorted(SHIPPED.glob("*.toml"))),
    (TARGETS, lambda path: read_targets(path, scopes=["sustained"]), TargetError),
    (POLICY, load_policy, PolicyError),
    (FIGURES, load_readings, ReadingsError),
]


@pytest.mark.parametrize(
    ("path", "reader", "fault"), TOMLS, ids=[path.stem for path, _, _ in TOMLS]
)
def test_toml_files(
    tmp_path: Path, path: Path, reader: Callable[[Path], object], fault: type[ValueError]
) -> None:
    file = tmp_path / path.name
    few = 2
    for what, changed in mutants(toml_table(path, ValueError), [*WRONG, *ONLY_TOML], few):
        file.write_text(document_of(changed))
        tried(what, reader, file, fault)


NO_FILES = {
    "empty": b"",
    "mark": "\ufeffnodes = 3\n".encode(),
    "deep": b"nodes = " + b"[" * DEEP + b"]" * DEEP + b"\n",
    "half deep": b"nodes = " + b"[" * (MOST_DEEP + 1) + b"]" * (MOST_DEEP + 1) + b"\n",
    "digits": b"nodes = " + b"9" * 5000 + b"\n",
    "latin": b'name = "caf\xe9"\n',
    "utf-16": "nodes = 3\n".encode("utf-16"),
    "zeros": bytes(100),
    "large": b"#" * (MOST_TEXT_BYTES + 1),
    "unfinished": b"[[phase",
    "twice": b"nodes = 3\nnodes = 4\n",
}


@pytest.mark.parametrize("name", [*NO_FILES, "folder", "none", "never ends"])
@pytest.mark.parametrize(
    ("reader", "fault"),
    [(plays, ScenarioError), (read_targets, TargetError), (load_policy, PolicyError),
     (load_readings, ReadingsError), (read_trace, ScenarioError)],
    ids=["scenario", "targets", "policy", "figures", "trace"],
)  # fmt: skip
def test_what_is_no_such_file(
    tmp_path: Path, name: str, reader: Callable[[Path], object], fault: type[ValueError]
) -> None:
    path = tmp_path / f"{name}.toml"
    if name == "empty" and reader is load_readings:
        return  # a site without figures of its own
    if name == "folder":
        path.mkdir()
    elif name == "never ends":
        path = Path("/dev/zero")
    elif name != "none":
        path.write_bytes(NO_FILES[name])
    with pytest.raises(fault) as caught:
        reader(path)
    one_line(caught.value)
    assert path.name in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[phase]]\npattern = ["constant"]\nrate = 1\nseconds = 1', ("pattern", "['constant']")),
        ('[[phase]]\npattern = "constant"\nrate = 1e308\nseconds = 1', ("1e+308", "1,000,000")),
        ('[load]\nclients = 9223372036854775808\n[[phase]]\npattern = "constant"\nrate = 1\n'
         "seconds = 1", ("load.clients", "64 bits")),
        ('[load]\nclients = 4611686018427387904\n[[phase]]\npattern = "constant"\nrate = 1\n'
         "seconds = 1", ("clients", "1 to 64", "4611686018427387904")),
        ('name = "../x"\n[[phase]]\npattern = "constant"\nrate = 1\nseconds = 1', ("../x",)),
        ('[[phase]]\npattern = "constant"\nrate = "5"\nseconds = 1', ("rate", "'5'")),
        ('[[phase]]\npattern = "constant"\nrate = inf\nseconds = 1', ("rate", "inf")),
        ('[[phase]]\npattern = "burst"\nsize = 5\nevery_s = 1e-300\nseconds = 1', ("every_s",)),
        ('[load]\nmix = {store = 1e308, retrieve = 1e308}\n[[phase]]\npattern = "constant"\n'
         "rate = 1\nseconds = 1", ("mix.store", "1e+308")),
    ],
)  # fmt: skip
def test_the_command_says_file_key_value_and_limit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, words: tuple[str, ...]
) -> None:
    path = tmp_path / "odd.toml"
    path.write_text(text)
    assert main(["load", str(path), "--out", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: odd.toml: ")
    assert error.count("\n") == 1
    assert all(word in error for word in words), error
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("due", ["1e308", "inf", "nan", "9" * 400, "604801"])
def test_a_time_of_a_trace_that_cannot_be(tmp_path: Path, due: str) -> None:
    path = tmp_path / "trace.txt"
    path.write_text(f"0.5 store 3\n{due} store 3\n")
    with pytest.raises(ScenarioError, match="line 2") as caught:
        read_trace(path)
    one_line(caught.value)


def judge_runs(directory: Path) -> None:
    """Everything that is made of a readiness run's record."""
    build(read_record(directory), read_targets(), ["production"])


RECORDS: list[tuple[Path, str, Callable[[Path], object]]] = [
    (RECORDED, "manifest.json", judge_runs),
    (RECORDED, "saturation/run.json", judge_runs),
    (RECORDED / "churn" / "record", "outcome.json", build_run),
    (RECORDED / "churn" / "record", "run.json", build_run),
    (RECORDED / "sustained" / "record", "manifest.json", build_run),
    (CAUSES / "lossy", "manifest.json", build_run),
    (CAUSES / "lossy", "result.json", build_run),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("directory", "name", "reader"), RECORDS,
    ids=[f"{directory.name}/{name}" for directory, name, _ in RECORDS],
)  # fmt: skip
def test_records(
    tmp_path: Path, directory: Path, name: str, reader: Callable[[Path], object]
) -> None:
    copied = tmp_path / "run"
    shutil.copytree(directory, copied)
    content = json.loads((copied / name).read_text())
    few = 1 if len(list(places(content))) > 60 else 3
    for what, changed in mutants(content, [*WRONG, None], few):
        (copied / name).write_text(json.dumps(changed))
        tried(what, reader, copied)


GATE: dict[str, Any] = {
    "format": 1, "commit": "a" * 40, "subject": "A", "about": {"machine": "m", "coin": "1"},
    "own_figures": ["cpu.f"], "notices": ["n"], "problems": [], "failed": "", "same_core": False,
    "metrics": {
        "cpu.f": {"kind": "paired", "unit": "s", "stages": [[[1.0, None], [2.0]], [[1.5]]]},
        "counts.g": {"kind": "exact", "unit": "", "stages": [[3]], "skipped": "", "failed": "",
                     "unreached": False},
    },
}  # fmt: skip


def test_files_of_a_gate(tmp_path: Path) -> None:
    path = tmp_path / "base.json"
    path.write_text(json.dumps(GATE))
    assert read_measured(path).metrics["counts.g"].rounds() == [3]
    for what, changed in mutants(GATE, [*WRONG, None], len(WRONG) + 1):
        path.write_text(json.dumps(changed))
        tried(what, judged_against_itself, path)


def judged_against_itself(path: Path) -> object:
    measured = read_measured(path)
    return judge_gate(measured, measured, load_policy(), date(2026, 1, 1))


@pytest.mark.parametrize(
    ("at", "bad", "told"),
    [
        (("metrics", "counts.g", "stages", 0, 0), "1", "counts.g: a block is a number, not '1'"),
        (("metrics", "counts.g", "stages", 0, 0), True, "counts.g: a block is a number, not True"),
        (("metrics", "counts.g", "stages", 0, 0), 10**400, "a number of 64 bits, not one of 1329"),
        (("metrics", "counts.g", "stages", 0), 3, "a stage of counts.g is a list, not 3"),
        (("metrics", "cpu.f", "kind"), ["exact"], "cpu.f.kind is one of exact, seeded"),
        (("metrics",), [], r"metrics is a table, not \[\]"),
        (("commit",), 3, "commit is a text, not 3"),
        (("about",), None, "about is a table, not None"),
        (("notices",), "abc", "notices is a list, not 'abc'"),
    ],
)
def test_a_value_of_another_type_is_no_measurement(at: Any, bad: Any, told: str) -> None:
    """A text that looks like a number was one, and a commit could be 3."""
    changed = copy.deepcopy(GATE)
    owner = changed
    for step in at[:-1]:
        owner = owner[step]
    owner[at[-1]] = bad
    with pytest.raises(MeasuredError, match=told) as caught:
        parse_measured(changed)
    one_line(caught.value)


LINES: list[tuple[str, Callable[[Path], object]]] = [
    ("intervals-0.jsonl", read_load),
    ("events.jsonl", read_load),
    ("traces-0.jsonl", build_run),
    ("monitor.jsonl", lambda directory: read_recording(directory / "monitor.jsonl")),
]


@pytest.mark.parametrize(("name", "reader"), LINES, ids=[name for name, _ in LINES])
def test_lines_of_records(tmp_path: Path, name: str, reader: Callable[[Path], object]) -> None:
    copied = tmp_path / "run"
    shutil.copytree(CAUSES / "lossy", copied)
    kept = (copied / name).read_text().splitlines()[:40]
    kinds = {json.loads(line).get("type"): n for n, line in enumerate(kept)}
    for number in kinds.values():
        for what, changed in mutants(json.loads(kept[number]), [*WRONG, None], 2):
            odd = [*kept[:number], json.dumps(changed), *kept[number + 1 :]]
            (copied / name).write_text("\n".join(odd) + "\n")
            tried(what, reader, copied)


@pytest.mark.slow
def test_reports(tmp_path: Path) -> None:
    import msgspec

    from tests.perflab.recorded import report_of

    content = msgspec.to_builtins(report_of(RECORDED))
    path = tmp_path / "report.json"
    for what, changed in mutants(content, [*WRONG, None], 1):
        path.write_text(json.dumps(changed))
        tried(what, lambda each: histories([read_report(each)]), path, FiledError)


@pytest.mark.parametrize("data", [b"", b"[]", b'{"a": 1}', b"\xef\xbb\xbf{}", b"[" * DEEP, b"NaN"])
def test_json_that_is_no_document(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "baselines.json"
    path.write_bytes(data)
    with pytest.raises(FiledError) as caught:
        baseline(tmp_path, "v1")
    one_line(caught.value)
    for reader in (read_run, read_report, lambda each: document(each, dict[str, int], FiledError)):
        if data == b'{"a": 1}' and reader not in (read_run, read_report):
            continue
        with pytest.raises(ValueError) as caught:  # type: ignore[assignment]  # noqa: PT011
            reader(path)
        one_line(caught.value)
        assert "baselines.json" in str(caught.value)
