"""Load and chaos runs on the site: each with its commit, its figures and its report."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

from perflab.load.record import FORMAT, VERSION, Capacity, Trial, read_load
from perflab.production.field_record import write_field
from tests.perflab.production.made_clients import made_field
from tests.perflab.recorded import CAUSES, RECORDED, change
from tests.perflab.site.test_build import read, rebuilt
from tests.perflab.synthetic import make_project


def test_load_and_chaos_runs_are_filed_by_commit_with_their_reports(tmp_path: Path) -> None:
    (commit,) = make_project(tmp_path, commits=1)
    filed_runs(tmp_path / ".asv", commit)
    (tmp_path / ".asv" / "load" / "lab" / "torn").mkdir()
    (tmp_path / ".asv" / "load" / "lab" / "torn" / "manifest.json").write_text("{")
    site = rebuilt(tmp_path)
    rows = {each["run"]: each for each in read(site / "data" / "load.json")}
    assert set(rows) == {
        "new",
        "older",
        "churn",
        "day",
    }  # neither the torn one nor a search's trials
    new = rows["new"]
    assert (new["commit"], new["subject"], new["uncommitted"]) == (
        commit,
        "Change <0> & more",
        True,
    )
    rows_due = read_load(CAUSES / "lossy").rows
    assert new["asked_per_s"] == len(rows_due) / 14.0
    assert new["success"] == (rows_due["outcome"] == 0).mean()
    assert not new["generator_bound"]
    (step,) = read(site / new["data"])["steps"]
    titles = [chart["title"] for chart in step["charts"]]
    assert any(title.startswith("Latency spectrum") for title in titles)
    assert any(mark["text"].startswith("lossy") for mark in step["charts"][0]["marks"])
    assert "Throughput and errors over time" in (site / new["page"]).read_text()
    page = " ".join((site / "load.html").read_text().split())
    assert f'<a href="{new["page"]}">' in page
    assert f"commit.html?commit={commit[:8]}" in page
    assert "load/lab/torn: manifest.json" in page
    capacity = (site / "capacity.html").read_text()
    assert "P99 &lt;= 20 ms, success &gt;= 99.90%" in capacity
    assert "1,600 /s" in capacity
    assert rows["churn"]["said"] == "kept"
    day = rows["day"]
    assert (day["kind"], day["scenario"], day["commit"]) == ("field", "eu", commit)
    assert (day["success"], day["reached_per_s"]) == (0.995, 99.5)
    assert 5 < day["p99_ms"] < 10  # its bucket is told by the report
    assert '<span class="tag">field</span> eu' in page
    assert "production, eu" in (site / day["page"]).read_text()
    shown = [chart["title"] for chart in read(site / day["data"])["steps"][0]["charts"]]
    assert {title.partition(" of ")[0] for title in shown} <= {
        title.partition(" of ")[0] for title in titles
    }  # drawn over those of the lab


def filed_runs(asv: Path, commit: str) -> None:
    """A load run of a commit, one as older versions filed them, a search and a chaos run."""
    for place, cause in (("lab/new", "lossy"), ("older", "slow"), ("lab/search/trial-01", "slow")):
        shutil.copytree(CAUSES / cause, asv / "load" / place)
    change(
        asv / "load" / "lab" / "new" / "manifest.json",
        lambda content: content.update(commit=commit, uncommitted=["p2pcore/node.py"]),
    )
    trial = Trial(rate=1600.0, kept=True, p99_s=0.01, success=1.0, generator_bound=False,
                  directory="trial-01", message="")  # fmt: skip
    found = Capacity(format=FORMAT, version=VERSION, p99_ms=20.0, success=0.999, rate=1600.0,
                     missed_rate=1700.0, generator_bound=False, stopped="within 10 %",
                     trials=[trial])  # fmt: skip
    (asv / "load" / "lab" / "search" / "capacity.json").write_text(json.dumps(asdict(found)))
    shutil.copytree(RECORDED / "churn" / "record", asv / "chaos" / "lab" / "churn")
    write_field(made_field(commit), asv / "field" / "eu" / "day")
