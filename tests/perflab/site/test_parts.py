"""What the site says of gates and readiness runs that were a part of one."""

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

from perflab.gate.judge import judge
from perflab.gate.policy import load_policy
from perflab.gate.record import Measured
from perflab.gate.report import as_json
from tests.perflab.recorded import copied, report_of
from tests.perflab.site.test_build import ATOM, TODAY, rebuilt
from tests.perflab.synthetic import make_project


def test_an_interrupted_readiness_run_replaces_none(tmp_path: Path) -> None:
    import msgspec

    hashes = make_project(tmp_path, commits=2)
    runs = tmp_path / ".asv" / "readiness" / "lab"
    for name, began, ended in (("run-1", "2026-11-01", 99), ("run-2", "2026-11-02", 1)):
        run = copied(runs, name)
        content = msgspec.to_builtins(report_of(run))
        for step in content["steps"][ended:]:
            step["seconds"] = None
        content |= {"commit": hashes[0], "quick": False, "began": f"{began}T00:00:00+00:00"}
        content |= {"run": name, "verdict": "met" if name == "run-1" else "unmeasured"}
        (run / "report.json").write_bytes(msgspec.json.encode(content))
    site = rebuilt(tmp_path)
    index = (site / "index.html").read_text()
    assert "2026-11-01 00:00 on lab" in index
    assert "2026-11-02" not in index.partition("Published")[0]
    assert f"ready, {hashes[0][:8]}" in (site / "badge-readiness.svg").read_text()
    assert "interrupted after 1 of" in (site / "runs.html").read_text()
    assert len(ElementTree.parse(site / "readiness.atom").getroot().findall(f"{ATOM}entry")) == 1


def test_a_part_of_a_gate_is_not_the_last_gate(tmp_path: Path) -> None:
    make_project(tmp_path, commits=1)
    runs = tmp_path / ".asv" / "gate" / "runs"
    for moment, code, only in (
        ("20261122T080000Z", 1, "*"),
        ("20261123T080000Z", 0, "cpu.encode_*"),
        ("20261124T080000Z", 0, "counts.bytes.*"),
    ):
        head = Measured(commit="b" * 40, about={"only": only})
        outcome = judge(Measured(commit="a" * 40), head, load_policy(), TODAY)
        word = "regression" if code else "pass"
        content = json.loads(as_json(outcome)) | {"exit_code": code, "verdict": word}
        (runs / f"{moment}-aaaaaaaa-bbbbbbbb").mkdir(parents=True)
        (runs / f"{moment}-aaaaaaaa-bbbbbbbb" / "verdict.json").write_text(json.dumps(content))
    site = rebuilt(tmp_path)
    index = (site / "index.html").read_text()
    whole, part = index.index("The last gate:"), index.index("A part of a gate")
    assert "2026-11-22 08:00Z" in index[whole:part]
    assert "regression" in index[whole:part]
    assert "counts.bytes.*" in index[part:]
    assert "regression, bbbbbbbb" in (site / "badge-gate.svg").read_text()
    shutil.rmtree(runs / "20261122T080000Z-aaaaaaaa-bbbbbbbb")
    site = rebuilt(tmp_path)
    assert "The last gate:" not in (site / "index.html").read_text()
    assert "never run" in (site / "badge-gate.svg").read_text()
