"""asv's settings: what is no configuration is named, in a line."""

from pathlib import Path

import pytest

from perflab.results.asv_config import (
    CONFIG,
    MACHINES,
    AsvConfigError,
    configured_branch,
    known_machines,
    results_dir,
)


def test_a_configuration_says_branch_and_folders(tmp_path: Path) -> None:
    (tmp_path / CONFIG).write_text('{"branches": ["main"], "results_dir": ".asv/results"}')
    assert configured_branch(tmp_path) == "main"
    assert results_dir(tmp_path) == tmp_path / ".asv" / "results"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "asv.conf.json cannot be read: No such file"),
        ("{", "asv.conf.json: "),
        ("[]", "asv.conf.json: "),
        ("[" * 3000, "brackets"),
        ('{"branches": "main"}', "branches is a list of names, not 'main'"),
        ('{"branches": []}', "branches is a list of names, not []"),
        ('{"branches": [3]}', "branches is a list of names, not [3]"),
        ("{}", "branches is a list of names, not None"),
    ],
)
def test_what_is_none_is_named(tmp_path: Path, text: str | None, words: str) -> None:
    if text is not None:
        (tmp_path / CONFIG).write_text(text)
    with pytest.raises(AsvConfigError) as caught:
        configured_branch(tmp_path)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_machines_are_those_with_a_description(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert known_machines() == {}
    (tmp_path / MACHINES).write_text('{"box": {"cpu": "x"}, "version": 1}')
    assert known_machines() == {"box": {"cpu": "x"}}
    (tmp_path / MACHINES).write_text("{")
    with pytest.raises(AsvConfigError, match=r"\.asv-machine\.json"):
        known_machines()
