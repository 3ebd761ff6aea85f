"""The search for a culprit: every place, unknown commits beside it, and a real history."""

from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.rig.bisect import Answer, search
from tests.rig.test_checkout import git
from tests.rig.test_gate_command import commit, repository

__all__ = ["repository"]


@pytest.mark.parametrize("count", [1, 2, 3, 16])
def test_every_culprit_is_found(count: int) -> None:
    for culprit in range(count):
        asked: list[int] = []

        def ask(place: int, culprit: int = culprit, asked: list[int] = asked) -> Answer:
            asked.append(place)
            return Answer.DIFFERENT if place >= culprit else Answer.SAME

        assert search(count, ask) == (culprit, culprit)
        assert len(asked) <= 4
        assert len(set(asked)) == len(asked)


@pytest.mark.parametrize("unknown", range(15))
def test_unknown_commits_are_searched_around(unknown: int) -> None:
    for culprit in range(16):

        def ask(place: int, culprit: int = culprit) -> Answer:
            if place == unknown:
                return Answer.UNKNOWN
            return Answer.DIFFERENT if place >= culprit else Answer.SAME

        first, last = search(16, ask)
        assert first <= culprit <= last
        hidden = culprit in (unknown, unknown + 1)
        assert (first, last) == ((unknown, unknown + 1) if hidden else (culprit, culprit))


def test_a_real_history_with_a_commit_that_does_not_build(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Five commits: neutral, not to be built, neutral, 200 bytes more, neutral."""
    codec = repository / "p2pcore" / "wire" / "codec.py"
    project, good = repository / "pyproject.toml", git(repository, "rev-parse", "good")
    text, settings = (file.read_text(encoding="utf-8") for file in (codec, project))
    git(repository, "checkout", "--quiet", "-b", "history")
    codec.write_text(text + "# neutral\n", encoding="utf-8")
    commit(repository, "Neutral")
    project.write_text("[build-system\n", encoding="utf-8")
    commit(repository, "Unbuildable")
    project.write_text(settings, encoding="utf-8")
    commit(repository, "Builds again")
    git(repository, "checkout", "--quiet", "heavy", "--", "p2pcore/wire/codec.py")
    commit(repository, "Culprit")
    git(repository, "commit", "--quiet", "--allow-empty", "-m", "Last")
    assert main(["bisect", "counts.bytes.store.8", good, "history"]) == 0
    told = capsys.readouterr().out
    assert told.strip().splitlines()[-1].endswith("Culprit")
    assert main(["bisect", "counts.messages.store.8", good, "history"]) == 2
    assert "do not differ" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("counts.byte.store.8", "good", "heavy"), "did you mean counts.bytes.store.8"),
        (("counts.bytes.store.8", "heavy", "good"), "does not come after"),
        (("counts.bytes.store.8", "good", "nowhere"), "git knows no commit"),
        (("counts.bytes.store.8", "good", "heavy", "--budget", "x"), "--budget takes"),
    ],
)
def test_bad_usage_is_three(
    repository: Path, arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bisect", *arguments]) == 3
    assert words in capsys.readouterr().err
