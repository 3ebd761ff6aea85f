"""The site of a project: asv publishes a copy, and our pages are added by a plugin of asv's.

asv and the plugin run in a process of their own, which finds the project again by what stands in
the copy's configuration.

Rule: order of work; what asv can take, and the pages, are the site's.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from perflab.archive.status import require_results
from perflab.foreign.rules import Rules, load_rules
from perflab.results.asv_config import MeasureError, alone
from perflab.results.project import Project
from perflab.site.build import SiteRules
from perflab.site.publish import PublishError, publish_copy

__all__ = ["SETTING", "publish", "rules_of"]

SETTING = "perflab"
"""In asv's configuration of the copy: which rules the pages are made by."""
PLUGIN = ".perflab.foreign.plugin"  # with a dot asv imports it by its name


def publish(project: Project, rules: Path, write: Callable[[str], None]) -> Path:
    """Make the site anew; where it lies. Raises MeasureError, CheckoutError or HistoryError."""
    load_rules(rules)  # what is wrong in it is told before anything is built
    require_results(project, write)
    settings = {
        **project.settings,
        "repo": str(project.repository),
        "branches": [project.branch],
        "results_dir": str(project.results),
        "html_dir": str(project.html),
        "benchmark_dir": str(project.benchmarks),
        "plugins": [PLUGIN],  # the project's own measure, and may not be here
        SETTING: {"rules": str(rules), "filed": str(project.filed)},
    }
    with alone(project.folder, "publishing"):
        config = project.filed / "publishing.conf.json"
        config.write_text(json.dumps(settings), encoding="utf-8")
        try:
            return publish_copy(project.folder, config, project.filed / "publishing", write)
        except PublishError as error:
            raise MeasureError(str(error)) from error
        finally:
            config.unlink(missing_ok=True)


def rules_of(settings: dict[str, Any]) -> SiteRules:
    """By what the pages are made: of `SETTING` in the copy's configuration."""
    rules: Rules = load_rules(Path(settings["rules"]))
    return SiteRules(
        readings=rules.readings,
        policy=rules.policy,
        about=rules.about,
        filed=Path(settings["filed"]),
        ours=False,
    )
