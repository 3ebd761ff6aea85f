"""The search for a culprit in a real history: builds, callgrind, a commit that does not build."""

from pathlib import Path

import pytest

from perflab.__main__ import main
from perflab.gate import counts as gate_counts
from perflab.gate.instructions import unavailable
from perflab.gate.seeded_defects import CODEC
from perflab.gate.symbol_edits import begin
from tests.perflab.gate.test_command import commit, made, repository
from tests.perflab.results.test_checkout import git

__all__ = ["made", "repository"]

UNBUILDABLE = 7  # whatever the diffs say, builds must suffice for either side: so this is first
CULPRIT = 5


@pytest.mark.nightly
@pytest.mark.slow
@pytest.mark.skipif(bool(unavailable()), reason=unavailable() or "valgrind is there")
def test_a_slowdown_is_found_in_sixteen_commits_of_which_one_does_not_build(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Real commits, real builds, real callgrind; under one hash seed instead of three."""
    monkeypatch.setattr(gate_counts, "SEEDS", (0,))
    codec = repository / "p2pcore" / "wire" / "codec.py"
    project = repository / "pyproject.toml"
    text, settings = (file.read_text(encoding="utf-8") for file in (codec, project))
    good = git(repository, "rev-parse", "good")
    git(repository, "checkout", "--quiet", "-b", "history")
    for number in range(16):
        # Between 3 and 6 % of encoding a Store, for the commit after it too.
        slower = begin(CODEC, "encode_frame", "HEADER_BYTES < 0").apply(text)
        content = slower if number >= CULPRIT else text
        codec.write_text(f"{content}# {number}\n", encoding="utf-8")
        project.write_text("[build-system\n" if number == UNBUILDABLE else settings)
        commit(repository, f"Commit {number}")
    assert main(["bisect", "instructions.encode_store", good, "history"]) == 0
    told = capsys.readouterr().out.strip().splitlines()
    assert told[-1].startswith("found: ")
    assert f"Commit {CULPRIT}  (" in told[-1]
    asked = [
        line for line in told if ": as good" in line or ": as bad" in line or "unknown" in line
    ]
    assert f"Commit {UNBUILDABLE}: unknown" in asked[0]
    assert len(asked) <= 5
    (change,) = (line for line in told if line.startswith("BAD differs from GOOD"))
    assert 3.0 < float(change.split("(+")[1].split(" %")[0]) < 6.5


def test_what_did_not_change_is_not_searched(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bisect", "counts.messages.store.8", "good", "heavy"]) == 2
    assert "do not differ" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("counts.byte.store.8", "good", "heavy"), "did you mean counts.bytes.store.8"),
        (("counts.bytes.store.8", "heavy", "good"), "does not come after"),
        (("counts.bytes.store.8", "good", "nowhere"), "git knows no commit"),
        (("counts.bytes.store.8", "good", "heavy", "--budget", "x"), "--budget takes"),
        (("counts.bytes.store.8", "good"), "it takes BENCHMARK, GOOD and BAD, or --steps"),
        (("counts.bytes.store.8", "--steps"), "--steps searches what alerts told"),
        (("--steps", "--budget", "1y"), "--budget takes"),
    ],
)
def test_bad_usage_is_three(
    repository: Path, arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bisect", *arguments]) == 3
    assert words in capsys.readouterr().err
