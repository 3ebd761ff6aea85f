"""One commit never stops the site, the alerts or the history, whatever git holds of it."""

import json
import random
from pathlib import Path
from xml.etree import ElementTree

import pytest

from perflab import __main__ as command_line
from perflab.gate import command as gate
from tests.perflab.results.test_checkout import git
from tests.perflab.results.test_git import raw_commit
from tests.perflab.synthetic import Step, make_project, result_file, write_result

STRANGE = (
    ("Speed up\u2028the codec".encode(), b"Ann", b"1795800000 +0000"),
    (b"a\fb\x0bc\x85\xc2\x85d", b"J\xfcrg \x01\x1b[31m", b"1795800000 +0000"),
    (b"Gr\xf6sse \xef\xbf\xbe\xed\xa0\x80", b"", b"soon"),
    (b"", b"Ann", b"99999999999999999 +0000"),
)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Thirty commits and the strange ones, all measured; the first strange one is worse, for the
    feed and the pages to tell."""
    root = tmp_path / "project"
    hashes = make_project(root, commits=30)
    steps = (Step(benchmark=0, commit=30, factor=2.0),)
    results = root / ".asv" / "results"
    listed = json.loads((results / "benchmarks.json").read_text())
    entries = [entry for name, entry in listed.items() if name != "version"]
    rng = random.Random(3)
    for number, (subject, name, when) in enumerate(STRANGE, start=len(hashes)):
        made = raw_commit(root, subject, name, when)
        write_result(results, result_file(entries, "lab", made, number, steps, rng))
    for module, where in ((command_line, root), (gate, root)):
        monkeypatch.setattr(module, "ROOT", where)
    return root


def test_site_alerts_and_history_go_on(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["site"]) == 0
    assert "asv itself has to publish it" not in capsys.readouterr().out
    site = project / ".asv" / "html"
    data = json.loads((site / "data" / "site.json").read_text(encoding="utf-8"))
    assert [each[0] for each in data["commits"]] == git(
        project, "rev-list", "--reverse", "main"
    ).split()
    assert len(data["places"][0]["commits"]) == 30 + len(STRANGE)
    feed = ElementTree.fromstring((site / "regressions.atom").read_bytes())
    titles = [each.text or "" for each in feed.iter("{http://www.w3.org/2005/Atom}title")]
    assert any("Speed up the codec" in title for title in titles)
    assert command_line.main(["alerts", "--window", "10"]) == 1
    assert command_line.main(["history", "status"]) == 0
    assert command_line.main(["history", "pack"]) == 0
    assert command_line.main(["history", "prune", "--dry-run"]) == 0
    assert "Traceback" not in "".join(capsys.readouterr())
