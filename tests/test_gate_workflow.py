"""Pull requests that would bend the gate, through the steps of its workflow, from end to end.

The checkout is as GitHub makes it: the merge of the pull request, detached; the environment is
there already, as `make` would find it.
"""

import json
import os
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from tests.perflab.gate.test_command import commit
from tests.perflab.gate.test_rulers import (
    FAT,
    FIGURE,
    HIDDEN,
    HIGH_FLOOR,
    POLICY,
    accept,
    copied_checkout,
    replaced,
)
from tests.perflab.results.test_checkout import git
from tests.test_workflows import WORKFLOWS, run, script

MAKES_NOTHING = ("Makefile", "\t@$(BIN)/python -m perflab gate ", "\t@true ")
FOR_EVER = accept("*", date(9999, 12, 31))
SAID = (
    f"the head's ruler no longer has {FIGURE}",
    "accepted by this change itself: * up to",
    "[kind.exact] floor: 0, with this",
    FIGURE,
)
"""Of each of the four bends below."""


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with one commit on `main`."""
    folder = tmp_path_factory.mktemp("workflow") / "repository"
    copied_checkout(folder)
    git(folder, "init", "--quiet", "--initial-branch=main")
    (folder / ".gitignore").write_text(".asv/\n__pycache__/\n.venv/\n", encoding="utf-8")
    commit(folder, "Target")
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    (folder / ".venv" / ".ready").touch()
    return folder


def pulled(folder: Path, *changes: tuple[str, str, str], policy: str = "") -> str:
    """Check out the merge of a pull request with these changes; its commit."""
    git(folder, "checkout", "--quiet", "--force", "-B", "pull", "main")
    for name, old, new in changes:
        replaced(folder / name, old, new)
    with (folder / POLICY).open("a", encoding="utf-8") as file:
        file.write(policy)
    commit(folder, "Pull")
    git(folder, "checkout", "--quiet", "--detach", "main")
    git(folder, "merge", "--quiet", "--no-ff", "-m", "Merge", "pull")
    return git(folder, "rev-parse", "HEAD")


def gated(folder: Path, only: str = FIGURE) -> tuple[int, str, dict[str, Any]]:
    """The step's exit code, what it told, and the verdict that goes to the artifact."""
    known = set(folder.glob(".asv/gate/runs/*/verdict.json"))
    done = run(script("gate", "Gate"), folder, ONLY=only, HOME=os.environ.get("HOME", str(folder)))
    [file] = (
        set((folder / WORKFLOWS["gate"]["jobs"]["gate"]["env"]["VERDICTS"]).glob("*/verdict.json"))
        - known
    )
    return done.returncode, done.stdout + done.stderr, json.loads(file.read_text(encoding="utf-8"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "policy", "told"),
    [
        ((HIDDEN, HIGH_FLOOR, MAKES_NOTHING), FOR_EVER, SAID),
        pytest.param((HIDDEN,), "", SAID[:1], marks=pytest.mark.nightly),
        pytest.param((), FOR_EVER, SAID[1:2], marks=pytest.mark.nightly),
        pytest.param((HIGH_FLOOR,), "", SAID[2:3], marks=pytest.mark.nightly),
        pytest.param((MAKES_NOTHING,), "", SAID[3:], marks=pytest.mark.nightly),
    ],
    ids=["all at once", "off the list", "accepted for ever", "a floor of ten", "make does nothing"],
)
def test_no_pull_request_bends_what_judges_it(
    target: Path, changes: tuple[tuple[str, str, str], ...], policy: str, told: tuple[str, ...]
) -> None:
    """If one of several bends counted, the figure would not be called slower."""
    head = pulled(target, FAT, *changes, policy=policy)
    code, text, verdict = gated(target)
    assert code != 0
    for words in told:
        assert words in text
    assert verdict["exit_code"] == 1, text
    assert verdict["benchmarks"][FIGURE]["verdict"] == "regression"
    assert verdict["head"]["commit"] == head
    assert verdict["base"]["commit"] == git(target, "rev-parse", "main")


def test_a_pull_request_of_words_passes_at_once(target: Path) -> None:
    head = pulled(target, ("README.md", "# p2pcore", "# p2pcore, in other words"))
    code, text, verdict = gated(target, "*")
    assert code == 0, text
    assert verdict["same_core"] is True
    assert verdict["head"]["commit"] == head


STAND_IN = """
const files = %s;
const said = [];
const github = {
  rest: {
    pulls: {
      list: async () => ({ data: [{ number: 7, head: { sha: 'c' } }] }),
      listFiles: 'files',
    },
    issues: {
      listComments: 'comments',
      createComment: async ({ body }) => said.push(body),
      updateComment: async ({ body }) => said.push(body),
    },
  },
  paginate: async (what) => (what === 'files' ? files : []),
};
const run = { head_repository: { owner: { login: 'x' } }, head_branch: 'y', head_sha: 'c' };
const context = { repo: {}, payload: { workflow_run: run } };
const core = { info: () => {} };
(async () => {
%s
})().then(() => process.stdout.write(said.join('')));
"""


def commented(folder: Path, *files: dict[str, str]) -> str:
    """What the comment says; GitHub's side of it is a stand-in, for there is none here."""
    [text] = [
        step["with"]["script"]
        for step in WORKFLOWS["gate-comment"]["jobs"]["comment"]["steps"]
        if "script" in step.get("with", {})
    ]
    done = subprocess.run(
        ["node", "-e", STAND_IN % (json.dumps(files), text)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_comment_names_what_is_changed_of_the_judges_and_takes_the_whole_verdict(
    tmp_path: Path,
) -> None:
    for place, text in (("run", "the whole"), ("run/by-heads-ruler", "the second alone")):
        (tmp_path / "gate" / place).mkdir(parents=True)
        (tmp_path / "gate" / place / "verdict.md").write_text(text, encoding="utf-8")
    (tmp_path / "continuous").mkdir()
    asv_said = "```\n@all ~1.02 <b>\n"
    (tmp_path / "continuous" / "continuous.txt").write_text(asv_said, encoding="utf-8")
    plain = commented(tmp_path, {"filename": "p2pcore/node.py"}, {"filename": "docs/Makefile"})
    assert "the whole" in plain
    assert "### asv continuous, which decides nothing" in plain
    assert "@\N{ZERO WIDTH SPACE}all ~1.02 <\N{ZERO WIDTH SPACE}b>\n" in plain
    assert plain.count("```") == 2  # a fence of its own cannot end ours
    assert "the second alone" not in plain
    assert "changes what judges it" not in plain
    moved = {"filename": "docs/x.py", "previous_filename": "perflab/gate/policy.toml"}
    told = commented(tmp_path, moved, {"filename": "p2pcore/node.py"})
    assert "This changes what judges it: 1 files, such as `perflab/gate/policy.toml`" in told
    assert "the workflow that ran" not in told
    told = commented(tmp_path, {"filename": ".github/workflows/gate.yml"})
    assert "the workflow that ran was the pull request's own" in told


HOSTILE = """\
### Verdict <script>alert(1)</script> ![image](https://example.org/x.png) @everyone
<!-- a comment --> <?php ?> <!DOCTYPE html> <![CDATA[x]]> </details> <https://example.org>
<details open
onclick=x>

1. `p2pcore/node.py`, line 1

   ```diff
   -    if count < limit and seen<most:
   +    if count <= limit: return "<b>@all</b>"
   ```

~~~
<img src=x>
``` <b>
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_a_comment_shows_the_lines_of_a_diff_and_no_markup_of_strangers(tmp_path: Path) -> None:
    (tmp_path / "gate").mkdir()
    (tmp_path / "gate" / "verdict.md").write_text(HOSTILE, encoding="utf-8")
    told = commented(tmp_path, {"filename": "p2pcore/node.py"})
    tokens = [
        token
        for block in MarkdownIt("commonmark", {"html": True}).parse(told)
        for token in (block, *(block.children or ()))
    ]
    ours = "<!-- benchmark gate -->\n"
    assert [each.content for each in tokens if each.type.startswith("html")] == [ours]
    assert not any(each.type == "image" for each in tokens)
    links = [str(each.attrs["href"]) for each in tokens if each.type == "link_open"]
    assert not any(each.startswith("mailto:") or "example" in each for each in links[:-1])
    [diff] = [each.content for each in tokens if each.type == "fence" and each.info == "diff"]
    seen = diff.replace("\N{ZERO WIDTH SPACE}", "")
    assert "-    if count < limit and seen<most:\n" in seen
    assert '+    if count <= limit: return "<b>@all</b>"\n' in seen
    assert "@all" not in diff
