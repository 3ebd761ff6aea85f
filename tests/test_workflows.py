"""The workflows call what a person would, and give strangers nothing.

actionlint reads their grammar (docs/benchmarking.md says which); here is what it cannot know.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.perflab.results.test_checkout import git

ROOT = Path(__file__).parent.parent
WORKFLOWS = {
    path.stem: yaml.safe_load(path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / ".github" / "workflows").glob("*.yml"))
}
TARGETS = set(
    re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
)
VARIABLES = set(
    re.findall(r"^([A-Z]+) \?=", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
)


def steps(name: str) -> Iterator[dict[str, Any]]:
    for job in WORKFLOWS[name]["jobs"].values():
        yield from job["steps"]


def script(name: str, step: str) -> str:
    (found,) = (each["run"] for each in steps(name) if each.get("name") == step)
    return str(found)


@pytest.mark.parametrize("name", WORKFLOWS)
def test_make_has_every_target_and_variable(name: str) -> None:
    calls = [
        line.strip()
        for step in steps(name)
        for line in step.get("run", "").splitlines()
        if line.strip().startswith("make ")
    ]
    for call in calls:
        words = call.split()[1:]
        assert words[0] in TARGETS
        assert {word.split("=")[0] for word in words[1:]} <= VARIABLES
    assert calls or name == "gate-comment"


@pytest.mark.parametrize("name", WORKFLOWS)
def test_actions_are_pinned_and_permissions_stated(name: str) -> None:
    text = (ROOT / ".github" / "workflows" / f"{name}.yml").read_text(encoding="utf-8")
    used = re.findall(r"uses: (.+)", text)
    assert used
    # A tag can be moved, a commit cannot; the version is for those who read.
    pinned = r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+"
    assert [each for each in used if not re.fullmatch(pinned, each)] == []
    assert WORKFLOWS[name]["permissions"] in ({"contents": "read"}, {})
    for job in WORKFLOWS[name]["jobs"].values():
        assert job["timeout-minutes"] <= 240


def test_one_action_is_pinned_to_one_commit() -> None:
    used = {step["uses"] for name in WORKFLOWS for step in steps(name) if "uses" in step}
    assert len(used) == len({each.partition("@")[0] for each in used})


@pytest.mark.parametrize("name", WORKFLOWS)
def test_scripts_take_what_strangers_write_from_the_environment(name: str) -> None:
    """`${{ }}` in a script is pasted before the shell reads it: a title could be a command."""
    for step in steps(name):
        assert "${{" not in step.get("run", "")
        assert "${{" not in str(step.get("with", {}).get("script", ""))


def test_what_runs_a_strangers_code_can_write_nothing() -> None:
    gate = WORKFLOWS["gate"]
    assert "secrets." not in (ROOT / ".github" / "workflows" / "gate.yml").read_text()
    assert all("permissions" not in job for job in gate["jobs"].values())
    checkouts = [step for step in steps("gate") if "checkout" in step.get("uses", "")]
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)
    assert "pull_request_target" not in str(WORKFLOWS)


def test_what_may_comment_runs_no_strangers_code() -> None:
    used = [step.get("uses", "").split("@")[0] for step in steps("gate-comment")]
    assert used == ["actions/download-artifact", "actions/github-script"]
    # YAML 1.1 reads the key `on` as true.
    assert WORKFLOWS["gate-comment"][True]["workflow_run"]["workflows"] == [
        WORKFLOWS["gate"]["name"]
    ]


def run(text: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """As a runner does."""
    return subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", text],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), **environment},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("body", "code", "told"),
    [
        ("What it does\r\nSkip-gate: words only, `$(id)`\r\n", 0, "words only, `$(id)`"),
        ("Skip-gate:   \n", 2, ""),
        ("", 2, ""),
    ],
)
def test_the_label_needs_a_reason(tmp_path: Path, body: str, code: int, told: str) -> None:
    output, summary = tmp_path / "output", tmp_path / "summary"
    done = run(
        script("gate", "Skip, with a reason"),
        tmp_path,
        BODY=body,
        VERDICTS="runs",
        GITHUB_OUTPUT=str(output),
        GITHUB_STEP_SUMMARY=str(summary),
    )
    assert done.returncode == code
    if told:
        assert (tmp_path / "runs" / "skipped" / "verdict.md").read_text().endswith(f"{told}\n")
        assert output.read_text() == "skipped=yes\n"
    else:
        assert "Skip-gate: REASON" in done.stdout


def test_results_are_kept_on_a_branch_of_their_own(tmp_path: Path) -> None:
    origin, clone = tmp_path / "origin", tmp_path / "clone"
    origin.mkdir()
    git(origin, "init", "--quiet", "--initial-branch=main")
    git(origin, "commit", "--quiet", "--allow-empty", "-m", "First")
    first = ".asv-history/machines/hosted.jsonl"
    for night, files in ((1, {first}), (2, {first, ".asv/alerts/alerts.json"})):
        shutil.rmtree(clone, ignore_errors=True)
        git(tmp_path, "clone", "--quiet", str(origin), str(clone))
        for name in files:
            (clone / "new" / name).parent.mkdir(parents=True, exist_ok=True)
            (clone / "new" / name).write_text(str(night))
        for _ in range(2):  # a night that brings nothing new is no error
            done = run(script("nightly", "Commit to benchmark-results"), clone)
            assert done.returncode == 0, done.stderr
            git(clone, "worktree", "remove", "--force", "kept")
            git(clone, "checkout", "--quiet", "--detach")
        listed = git(origin, "ls-tree", "-r", "--name-only", "benchmark-results").split()
        assert set(listed) == files
    assert git(origin, "rev-list", "--count", "benchmark-results") == "2"


def test_the_packages_are_tried_where_they_say_they_work() -> None:
    matrix = WORKFLOWS["tests"]["jobs"]["package"]["strategy"]["matrix"]
    assert {"ubuntu-24.04", "ubuntu-24.04-arm", "macos-15"} <= set(matrix["system"])
    assert {"3.11", "3.x"} <= set(matrix["python"])


@pytest.mark.parametrize(
    ("tag", "changelog", "told"),
    [
        (
            "v1.2.3",
            "# Changelog\n\n## Unreleased\n\n## 1.2.3, May\n\nNew.\n\n## 1.2.2\n\nOld.\n",
            "",
        ),
        ("v1.2.3", "## 1.2.3\n\nNew.\n", ""),
        ("v1.2.4", "## 1.2.4\n\nNew.\n", "the tag is v1.2.4, and p2pcore/version.py says 1.2.3"),
        ("v1.2.3", "## Unreleased\n\nNew.\n", "no section `## 1.2.3`, or nothing in it"),
        ("v1.2.3", "## 1.2.30\n\nNew.\n", "no section `## 1.2.3`, or nothing in it"),
        ("v1.2.3", "## 1.2.3\n\n## 1.2.2\n\nOld.\n", "nothing in it"),
    ],
)
def test_the_notes_of_a_release(tmp_path: Path, tag: str, changelog: str, told: str) -> None:
    (tmp_path / "p2pcore").mkdir()
    (tmp_path / ".github").mkdir()
    (tmp_path / "p2pcore" / "version.py").write_text('__version__ = "1.2.3"\n')
    (tmp_path / "CHANGELOG.md").write_text(changelog)
    shutil.copy(ROOT / ".github" / "release_notes.py", tmp_path / ".github")
    done = run(f"{sys.executable} .github/release_notes.py {tag}", tmp_path)
    assert (done.returncode, done.stdout) == ((1, "") if told else (0, "New.\n"))
    assert told in done.stderr
