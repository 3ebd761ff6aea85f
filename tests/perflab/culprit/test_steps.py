"""`bisect --steps`: from what alerts told to one commit, with asv stood in for."""

import json
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from perflab.__main__ import main
from perflab.culprit import command
from perflab.culprit.measure import by_asv
from perflab.gate import command as gate
from perflab.results.culprits import StepCulprit, read_culprits
from tests.perflab.alerts.test_command import NAME, Project
from tests.perflab.histories import write_series

OTHER = "baseline.Clock.track_seconds"
CULPRIT = 27
MEASURED = [*range(25), 30, 31, 32, 33]  # places: in between nobody has measured
COMMITS = 34


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """34 commits, of which the 28th takes a quarter more; its neighbours were not measured."""
    made = Project(tmp_path / "project", COMMITS)
    monkeypatch.setattr(gate, "ROOT", made.root)
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    return made


def recorded(project: Project, kind: str, levels: Sequence[float]) -> None:
    """The published history, and what asv will say of each commit from now on."""
    chance = Random(7)
    spread = 0.0 if kind == "exact" else 0.01
    commits = [project.commits[place] for place in MEASURED]
    values = [levels[place] * (1 + chance.gauss(0, spread)) for place in MEASURED]
    write_series(project.root / ".asv" / "results", commits, NAME, values, kind=kind)
    again = {
        commit: [levels[place] * (1 + chance.gauss(0, spread)) for _ in range(40)]
        for place, commit in enumerate(project.commits)
    }
    (project.root / "values.json").write_text(json.dumps(again))


def stepped(place: int = CULPRIT) -> list[float]:
    return [5.0 if each < place else 6.25 for each in range(COMMITS)]


def searched(project: Project) -> StepCulprit:
    (found,) = read_culprits(project.root / ".asv" / "alerts" / "culprits.json")
    return found


@pytest.mark.parametrize("kind", ["exact", "paired"])
def test_a_step_among_unmeasured_commits_becomes_one_commit(
    kind: str, project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded(project, kind, stepped())
    assert main(["alerts"]) == (1 if kind == "exact" else 2)
    assert main(["bisect", "--steps"]) == 0
    found = searched(project)
    assert (found.commit, found.certain) == (project.commits[CULPRIT], True)
    assert found.commits >= 6
    assert found.builds <= 6
    told = capsys.readouterr().out
    assert "culprits: 1 of 1 steps have their commit" in told
    assert f"{project.commits[CULPRIT][:8]} Commit {CULPRIT}" in told
    # It goes on where it was, and that was the end; the alerts say it from now on.
    calls = len(json.loads((project.root / "calls.json").read_text()))
    assert main(["bisect", "--steps"]) == 0
    assert len(json.loads((project.root / "calls.json").read_text())) == calls
    main(["alerts"])
    told = capsys.readouterr().out
    assert f"at {project.commits[CULPRIT][:8]} (" in told
    assert f"found among {found.commits} commits" in told
    assert "culprit" in (project.root / ".asv" / "alerts" / "alerts.json").read_text()


def test_a_step_that_no_commit_made_is_told_as_such(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded(project, "paired", stepped())
    main(["alerts"])
    again = {commit: [5.0] * 40 for commit in project.commits}
    (project.root / "values.json").write_text(json.dumps(again))
    assert main(["bisect", "--steps"]) == 0
    assert searched(project).commit == ""
    assert "none of" in capsys.readouterr().out
    main(["alerts"])
    assert "no commit made it" in capsys.readouterr().out


def test_what_is_interrupted_goes_on(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded(project, "exact", stepped())
    main(["alerts"])
    whole = by_asv
    calls = []

    def once(*arguments: object) -> object:
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return whole(*arguments)

    monkeypatch.setattr(command, "by_asv", once)
    assert main(["bisect", "--steps"]) == 130
    assert "the same command goes on" in capsys.readouterr().err
    assert len(searched(project).answers) == 1
    monkeypatch.setattr(command, "by_asv", whole)
    assert main(["bisect", "--steps"]) == 0
    assert searched(project).commit == project.commits[CULPRIT]
    asked = [each.commit for each in searched(project).answers]
    assert len(asked) == len(set(asked))


def test_two_steps_share_their_builds(project: Project) -> None:
    """Of the same commits, and of others beside them: one run of asv answers both."""
    recorded(project, "exact", stepped())
    main(["alerts"])
    place = project.root / ".asv" / "alerts" / "alerts.json"
    content = json.loads(place.read_text())
    content["findings"].append({**content["findings"][0], "series": OTHER})
    place.write_text(json.dumps(content))
    stand_in = (project.root / "asv.py").read_text()
    row = 'row = {"baseline.Cpu.track_cpu_seconds": [[values[commit].pop(0)], [], "1"]}'
    assert row in stand_in
    both = f'{row}\n    row["{OTHER}"] = row["{NAME}"]'
    (project.root / "asv.py").write_text(stand_in.replace(row, both))
    assert main(["bisect", "--steps"]) == 0
    found = read_culprits(project.root / ".asv" / "alerts" / "culprits.json")
    assert [each.commit for each in found] == [project.commits[CULPRIT]] * 2
    asked = [{answer.commit for answer in each.answers} for each in found]
    assert asked[0] == asked[1]


@pytest.mark.parametrize("text", ["{", '{"version": 0}', '{"version": 1, "culprits": [{}]}'])
def test_a_damaged_file_is_one_line_and_two(
    text: str, project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded(project, "exact", stepped())
    main(["alerts"])
    (project.root / ".asv" / "alerts" / "culprits.json").write_text(text)
    assert main(["bisect", "--steps"]) == 2
    assert "remove it, and every step is searched anew" in capsys.readouterr().err


def test_without_alerts_there_is_nothing_to_search(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bisect", "--steps"]) == 0
    assert "no step of the last alerts" in capsys.readouterr().out
