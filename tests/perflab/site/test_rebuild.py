"""The quick way makes the site that `asv publish` makes, file by file."""

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from perflab.site import rebuild as module
from perflab.site.rebuild import Oddity, rebuild
from perflab.site.step_search import find_steps
from tests.perflab.site.test_offline import git, publish
from tests.perflab.synthetic import SPACING_S, Step, make_project, write_result

STEPS = (Step(benchmark=1, commit=20, factor=1.3), Step(benchmark=4, commit=35, factor=1.1))
TIME = re.compile(rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?Z?")


def results_of(project: Path) -> Path:
    return project / ".asv" / "results"


def files(project: Path, machine: str = "lab") -> list[Path]:
    """In the order of the commits."""
    listed = git(project, "rev-list", "--first-parent", "--reverse", "main").split()
    paths = [
        results_of(project) / machine / f"{each[:8]}-virtualenv-py3.11.json" for each in listed
    ]
    return [path for path in paths if path.is_file()]


def edit(path: Path, change: Callable[[Any], None]) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def run(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(project)
    return project / rebuild("asv.conf.json")


def canonical(path: Path) -> Any:
    """What a file says, without the time of publishing; lists that asv makes of sets are sorted."""
    data = path.read_bytes()
    if path.name == "info.json":
        return sorted(json.loads(data))
    if path.name == "index.json":
        content = json.loads(data)
        content["graph_param_list"].sort(key=str)
        return content
    if path.name == "regressions.json":
        return sorted(map(json.dumps, json.loads(data)["regressions"]))
    if path.name == "site.json":
        return {**json.loads(data), "generated": ""}
    if path.suffix == ".html" or path.name == "readiness.atom":
        return TIME.sub(b"", data)
    return data


def same(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Publish both ways; nothing differs. The quick one stays."""
    done = publish(project)
    assert done.returncode == 0, done.stdout + done.stderr
    full = project / ".asv" / "full"
    if full.exists():
        subprocess.run(["rm", "-r", str(full)], check=True)
    (project / ".asv" / "html").rename(full)
    quick = run(project, monkeypatch)
    listed = [
        {str(path.relative_to(site)) for path in site.rglob("*") if path.is_file()}
        for site in (full, quick)
    ]
    assert listed[0] == listed[1]
    different = [each for each in listed[0] if canonical(full / each) != canonical(quick / each)]
    assert not different
    return quick


def everything_at_once(project: Path) -> None:
    """What happens to a history in years, in one go."""
    results = results_of(project)
    lab = files(project)

    def failed(content: Any) -> None:
        rows = content["results"]
        rows["suite0.Question0.track_it"][0] = None  # the benchmark failed
        rows["suite0.Question0.track_it"][5:] = [None, None]
        rows["suite0.Question1.track_it"][0][1:3] = [None, float("nan")]
        for bounds in rows["suite0.Question1.track_it"][5:]:
            bounds[1:3] = [None, None]
        del rows["suite0.Question2.track_it"]

    def elsewhere_measured(content: Any) -> None:
        content["params"]["arch"] = "riscv"
        content["env_vars"] = {"MODE": "fast"}

    for number in (0, 1, 7, 30, len(lab) - 1):
        edit(lab[number], failed)

    def measured_otherwise(content: Any) -> None:
        rows = content["results"]
        rows["suite0.Question3.track_it"][2] = "0"
        rows["suite0.Question4.track_it"] = [[100], [], "1"]
        two = [[1.0, 2.0], [["'store'"], ["64", "1024"]], "1"]
        rows["suite0.Question5.track_it"] = two

    edit(lab[4], measured_otherwise)
    edit(files(project, "other")[9], elsewhere_measured)
    lab[11].unlink()
    # A new benchmark that has one value, and one that was never measured.
    entries = json.loads((results / "benchmarks.json").read_text())
    known = entries["suite0.Question0.track_it"]
    for name in ("suite0.New.track_it", "suite0.Never.track_it"):
        entries[name] = {**known, "name": name}
    (results / "benchmarks.json").write_text(json.dumps(entries))
    edit(
        lab[12],
        lambda content: content["results"].update({"suite0.New.track_it": [[-0.0], [], "1"]}),
    )
    # A branch whose tip was rewritten after it had been measured, and a tag off the branch.
    old = git(project, "rev-parse", "main")
    git(project, "update-ref", "refs/heads/kept", old)
    tree = git(project, "rev-parse", "main^{tree}")
    parent = git(project, "rev-parse", "main~1")
    new = git(project, "commit-tree", tree, "-p", parent, "-m", "Rewritten")
    git(project, "update-ref", "refs/heads/main", new)
    git(project, "tag", "-a", "-m", "annotated", "aside", git(
        project, "commit-tree", tree, "-p", parent, "-m", "Aside"
    ))  # fmt: skip
    content = json.loads(lab[-2].read_text())
    content.update(commit_hash=new, date=content["date"] + SPACING_S * 1000)
    write_result(results, content)


def test_the_site_is_the_same_whatever_happened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With processes of its own, as on a machine with two processors.
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    make_project(tmp_path, commits=45, benchmarks=8, steps=STEPS, machines=("lab", "other"))
    site = same(tmp_path, monkeypatch)
    assert len(list((site / "data" / "commits").iterdir())) == 45
    assert json.loads((site / "regressions.json").read_text())["regressions"]
    everything_at_once(tmp_path)
    edit(tmp_path / "asv.conf.json", lambda content: content.update(
        project="other", hash_length=10, show_commit_url="https://example.org/",
        regressions_thresholds={".*Question1.*": 0.2},
        regressions_first_commits={".*Question4.*": None},
    ))  # fmt: skip
    site = same(tmp_path, monkeypatch)
    assert "Question1" in (site / "regressions.xml").read_text()
    assert "Rewritten" in (site / "index.html").read_text()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A history that has been published; tests leave it as it was."""
    folder = tmp_path_factory.mktemp("small")
    make_project(folder, commits=12)
    return folder


def content_with(path: Path, **changes: Any) -> Callable[[], None]:
    """Change a file; what is returned undoes it."""
    before = path.read_bytes()
    edit(path, lambda content: content.update(changes))
    return lambda: path.write_bytes(before) and None


def test_no_history_is_a_site_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_project(tmp_path, commits=1, benchmarks=2)
    files(tmp_path)[0].unlink()
    site = run(tmp_path, monkeypatch)
    assert "Overview" in (site / "index.html").read_text()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"plugins": [".perflab.site.offline", ".mine"]}, "other plugins"),
        ({"branches": ["main", "v2"]}, "2 branches"),
        ({"branches": ["gone"]}, "no branch 'gone'"),
    ],
)
def test_another_configuration_is_left_to_asv(
    small: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], said: str
) -> None:
    undo = content_with(small / "asv.conf.json", **changes)
    try:
        with pytest.raises(Oddity, match=said):
            run(small, monkeypatch)
    finally:
        undo()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"version": 1}, "format 1"),
        ({"params": {"machine": "lab", "cpu": 2}}, "cpu = 2"),
        ({"params": {"machine": "another"}}, "its own machine"),
        ({"result_columns": ["result", "params", "version", "wall"]}, "'wall'"),
        ({"results": {"suite0.Question0.track_it": [[float("inf")], [], "1"]}}, "value inf"),
        ({"results": {"suite0.Question0.track_it": [["fast"], [], "1"]}}, "value 'fast'"),
        ({"results": {"suite0.Question0.track_it": [[1.0], None, "1"]}}, "list of values"),
        (
            {"results": {"suite0.Question0.track_it": [[None], [], "1", 0, 0, [1.0], [1.0]]}},
            "interval without a value",
        ),
        ({"commit_hash": "0" * 40}, "another one|named after"),
    ],
)
def test_results_of_another_form_are_left_to_asv(
    small: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], said: str
) -> None:
    undo = content_with(files(small)[0], **changes)
    try:
        with pytest.raises(Oddity, match=said):
            run(small, monkeypatch)
    finally:
        undo()


def test_files_that_only_one_of_us_would_read_are_left_to_asv(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = files(small)[0]
    for path, said in (
        (first.with_name(f"{first.name[:8]}-twice.json"), "two files"),
        (first.parent / "deeper" / first.name, "would read 13 files, not 12"),
    ):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(first.read_bytes())
        (path.parent / "machine.json").write_bytes((first.parent / "machine.json").read_bytes())
        try:
            with pytest.raises(Oddity, match=said):
                run(small, monkeypatch)
        finally:
            path.unlink()


def test_a_run_that_is_stopped_leaves_the_old_site(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = run(small, monkeypatch)
    before = (site / "info.json").read_bytes()
    (site.parent / "html.old").mkdir()  # of a run that was killed as it put the new one in place

    def stopped(_site: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "make_offline", stopped)
    with pytest.raises(KeyboardInterrupt):
        run(small, monkeypatch)
    assert (site / "info.json").read_bytes() == before
    assert sorted(path.name for path in site.parent.iterdir()) == [
        "html", "results", "steps.msgpack"
    ]  # fmt: skip


def test_series_that_are_the_same_are_not_searched_again(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    searched: list[int] = []

    def counted(items: Any) -> Any:
        searched.append(len(items))
        return find_steps(items)

    monkeypatch.setattr(module, "find_steps", counted)
    run(small, monkeypatch)
    searched.clear()
    run(small, monkeypatch)
    assert searched == []
    last = files(small)[-1]
    before = last.read_bytes()
    edit(last, lambda content: content["results"]["suite0.Question0.track_it"][0].__setitem__(0, 9))
    run(small, monkeypatch)
    assert searched == [1]
    last.write_bytes(before)
    (small / ".asv" / "steps.msgpack").write_bytes(b"torn")
    run(small, monkeypatch)
    assert sum(searched) == 1 + 3 * 1 + 3 * 4  # every series: half of them have four cases


def test_steps_that_asv_does_not_find_are_not_published(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = small / ".asv" / "steps.msgpack"
    steps.unlink(missing_ok=True)
    monkeypatch.setattr(module, "find_steps", lambda items: [[] for _ in items])
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    with pytest.raises(Oddity, match="detection of steps"):
        run(small, monkeypatch)
    assert not steps.exists()


def test_a_process_that_fails_is_told(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> None:
        raise OSError("no room")

    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(module, "write_export", failing)
    with pytest.raises(Oddity, match="has failed"):
        run(small, monkeypatch)
