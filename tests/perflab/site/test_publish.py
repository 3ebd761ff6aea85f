"""From a repository and results as they are to a whole site, by asv itself."""

import json
import math
from pathlib import Path
from xml.etree import ElementTree

import pytest

from perflab.results.busy_marks import mark
from perflab.results.suite import MAX_CASES
from perflab.site.publish import PublishError, publish_copy
from tests.perflab.site.test_clean_branch import commit, tag, written
from tests.perflab.site.test_clean_results import edit, entry, files, results_of
from tests.perflab.site.test_offline import ROOT, git
from tests.perflab.synthetic import Step, make_project

STEP = Step(benchmark=4, commit=10, factor=1.5)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("HOME", str(tmp_path))
    make_project(tmp_path, commits=20, benchmarks=5, steps=(STEP,))
    written(tmp_path, "tree", b"")
    return tmp_path


def published(project: Path) -> tuple[Path, list[str]]:
    """The site, and the lines about what it lacks."""
    lines: list[str] = []
    conf = project / "asv.conf.json"
    site = publish_copy(project, conf, project / ".asv" / "publishing", lines.append)
    return site, [line for line in lines if line.startswith("== left out: ")]


def test_what_ends_or_hangs_stock_asv_costs_itself_alone(project: Path) -> None:
    measured = files(project)
    name = "suite0.Question4.track_it"
    edit(measured[3], lambda content: content["results"][name].__setitem__(0, [math.inf]))
    measured[4].write_bytes(measured[4].read_bytes()[:900])
    (results_of(project) / "lab" / "machine.json").write_text("")
    many = [str(each) for each in range(MAX_CASES + 1)]
    large = entry("suite0.Many.track_it", params=[many], param_names=["n"])
    edit(
        results_of(project) / "benchmarks.json",
        lambda content: content.update({"suite0.Many.track_it": large}),
    )
    tag(project, b"keyfile", written(project, "blob", b"a key"))
    made = commit(
        project, "Speed\u2028up <the> \x0ccodec".encode(), b"J\xfcr\x1fgen", b"9" * 20 + b" +0000"
    )
    content = json.loads(measured[-1].read_text())
    content["commit_hash"] = made
    content["results"][name][0] = [300.0]
    (measured[-1].parent / f"{made[:8]}-virtualenv-py3.11.json").write_text(json.dumps(content))
    site, told = published(project)
    assert sorted(line.partition(": ")[2].partition(": ")[0] for line in told) == sorted(
        ["tag 'keyfile'", "benchmark 'suite0.Many.track_it' in asv's own pages", "lab/machine.json",
         f"lab/{measured[3].name}", f"lab/{measured[4].name}"]
    )  # fmt: skip
    # asv's own pages and ours have the rest.
    index = json.loads((site / "index.json").read_text())
    assert len(index["revision_to_hash"]) == 20
    (found,) = json.loads((site / "regressions.json").read_text())["regressions"]
    assert found[0] == name
    data = json.loads((site / "data" / "site.json").read_text())
    assert data["commits"][-1][:3] == [made, "Speed up <the>  codec", "J\ufffdr gen"]
    assert data["commits"][-1][3] == data["commits"][-2][3]
    assert "suite0.Many.track_it" in {each["name"] for each in data["benchmarks"]}
    assert any("the first 2,000 of 2,001" in each for each in data["problems"])
    assert all(any(each in line for each in data["problems"]) for line in told)
    ElementTree.parse(site / "regressions.atom")
    page = (site / "index.html").read_text()
    assert "keyfile" in page
    assert "Speed up &lt;the&gt;" in page


def test_whole_results_are_published_without_a_word(project: Path) -> None:
    site, told = published(project)
    assert told == []
    assert json.loads((site / "data" / "site.json").read_text())["problems"] == []
    assert json.loads((site / "index.json").read_text())["project"] == "tiny"


def test_thousands_of_bad_files_are_told_in_twenty_lines(project: Path) -> None:
    for number in range(30):
        (results_of(project) / "lab" / f"{number:08x}-torn.json").write_text("{")
    _, told = published(project)
    assert len(told) == 21
    assert told[-1] == "== left out: 10 more"


def test_a_site_of_nothing_is_an_error_and_not_a_site(project: Path) -> None:
    for path in files(project):
        path.write_text("{")
    with pytest.raises(PublishError, match="nothing to publish"):
        published(project)
    assert not (project / ".asv" / "html").exists()
    (results_of(project) / "benchmarks.json").unlink()
    with pytest.raises(PublishError, match=r"there is no .*benchmarks\.json"):
        published(project)
    assert not (project / ".asv" / "publishing").exists()


def test_a_shallow_clone_says_how_to_get_the_older_commits(project: Path, tmp_path: Path) -> None:
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{project}", str(shallow))
    for name in ("asv.conf.json", "suites", ".asv"):
        (shallow / name).symlink_to(project / name)
    lines: list[str] = []
    work = tmp_path / "work"
    publish_copy(shallow, shallow / "asv.conf.json", work, lines.append)
    (note,) = [line for line in lines if "shallow" in line]
    assert note.startswith("== note: 19 measured commits are not known here")
    assert "git fetch --unshallow" in note
    files(project)[-1].unlink()
    with pytest.raises(PublishError, match="unshallow"):
        publish_copy(shallow, shallow / "asv.conf.json", work, lines.append)


def test_benchmarks_whose_names_differ_in_one_sign_have_pages_of_their_own(project: Path) -> None:
    names = ("suite0.Sign.track_a+b", "suite0.Sign.track_a-b", "suite0.Sign.track_a/b")
    edit(
        results_of(project) / "benchmarks.json",
        lambda content: content.update({name: entry(name) for name in names}),
    )
    for path in files(project):
        edit(path, lambda content: content["results"].update(
            {name: [[float(number)], [], "1"] for number, name in enumerate(names, 1)}
        ))  # fmt: skip
    site, _ = published(project)
    data = json.loads((site / "data" / "site.json").read_text())
    listed = {each["name"]: each["file"] for each in data["benchmarks"] if each["name"] in names}
    assert len(set(listed.values())) == 3
    for number, name in enumerate(names, 1):
        page = json.loads((site / "data" / "benchmarks" / listed[name]).read_text())
        assert set(page["series"][0]["values"]) == {float(number)}


def test_two_environments_of_a_machine_have_labels_of_their_own(project: Path) -> None:
    for path in files(project)[10:]:
        edit(path, lambda content: content["params"].update(msgspec="0.22.0"))
    site, _ = published(project)
    data = json.loads((site / "data" / "site.json").read_text())
    assert [each["label"] for each in data["places"]] == [
        "lab, Python 3.11", "lab, Python 3.11, msgspec 0.22.0"
    ]  # fmt: skip


def test_points_that_were_measured_beside_others_are_told(project: Path) -> None:
    machine = project / ".asv" / "results" / "lab"
    busy, again = (path.name.split("-")[0] for path in files(project)[:2])
    mark(machine, [busy, again], "1.00 of 2 cores are in use by others")
    mark(machine, [again], "")
    site, _ = published(project)
    page = (site / "index.html").read_text()
    assert f"{busy} on lab was measured on a busy machine: 1.00 of 2 cores" in page
    assert f"{again} on lab was measured on a busy machine" not in page
