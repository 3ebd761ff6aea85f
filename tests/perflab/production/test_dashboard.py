"""Every metric has a panel, and Prometheus understands every expression."""

import subprocess
from pathlib import Path

import yaml

from perflab.production.dashboard import dashboard, panels
from perflab.production.objectives import plan_of
from perflab.production.rules import RuleSet
from perflab.production.table import families
from perflab.readiness.targets import read_targets

RULE_SET = RuleSet(plan=plan_of(read_targets()))


def test_each_metric_has_a_panel_and_each_objective() -> None:
    titles = [each.title for each in panels(RULE_SET)]
    assert titles[len(RULE_SET.plan.objectives) :] == [each.name for each in families()]
    assert all(
        each.target in title for each, title in zip(RULE_SET.plan.objectives, titles, strict=False)
    )


def test_panels_do_not_overlap_and_have_ids_of_their_own() -> None:
    shown = dashboard(RULE_SET)["panels"]
    places = {(each["gridPos"]["x"], each["gridPos"]["y"]) for each in shown}
    assert len(places) == len(shown) == len({each["id"] for each in shown})
    assert all(each["targets"] for each in shown)


def test_prometheus_understands_every_expression(promtool: str, tmp_path: Path) -> None:
    expressions = [expr for panel in panels(RULE_SET) for expr, _ in panel.queries]
    rules = [
        {"record": f"panel:{n}", "expr": each.replace("$__rate_interval", "1m")}
        for n, each in enumerate(expressions)
    ]
    file = tmp_path / "panels.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    checked = subprocess.run(
        [promtool, "check", "rules", str(file)], capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
