"""Let asv publish the site from a copy that it can take; put it in place when it is whole.

The copy lies in `.asv/publishing` while asv runs: the branch with its tags (`clean_branch`),
the results (`clean_results`), a configuration that names both, and the site as it grows. It
is gone afterwards, whatever happened; the old site stays until the new one takes its place.

Rule: order of work; what asv can take is decided by those two, and the pages are our plugin's.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from perflab.results.asv_process import Plain, run_asv
from perflab.results.suite import SuiteError
from perflab.site.build import COPIED
from perflab.site.clean_branch import BranchError, copy_branches
from perflab.site.clean_results import copy_results

__all__ = ["PublishError", "publish_copy"]

SHOWN = 20  # lines about what is left out: a folder of strangers has thousands of the same
SHALLOW = "; the clone is shallow: `git fetch --unshallow` brings the older commits"
Write = Callable[[str], None]


class PublishError(Exception):
    """There is no new site; the message says why and what to do."""


def publish_copy(root: Path, config: Path, work: Path, write: Write) -> Path:
    """Publish what the configuration, in `root`, describes; where the site lies.

    `work` is a folder of our own, beside the site. Raises PublishError.
    """
    settings = json.loads(config.read_text(encoding="utf-8"))
    site = root / str(settings["html_dir"])
    shutil.rmtree(work, ignore_errors=True)  # of a run that was killed
    work.mkdir(parents=True)
    try:
        copy = _copied(root, settings, work, write)
        write("== publishing")
        if run_asv(root, ["publish", "--config", str(copy), "--no-pull"], Plain(write)) != 0:
            raise PublishError("asv could not publish the site: see above")
        _put_in_place(work / "html", site, work / "old")
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return site


def _copied(root: Path, settings: dict[str, object], work: Path, write: Write) -> Path:
    """The configuration of the copy."""
    results = root / str(settings["results_dir"])
    wanted = settings.get("branches")
    names = [str(each) for each in wanted] if isinstance(wanted, list) else ["HEAD"]
    try:
        branches = copy_branches((root / str(settings["repo"])).resolve(), names, work / "repo")
        copied = copy_results(results, work / "results", branches.commits)
    except BranchError as error:
        raise PublishError(str(error)) from error
    except SuiteError as error:
        raise PublishError(f"{error}: `make bench` lists the benchmarks anew") from error
    left_out = [*branches.left_out, *copied.left_out]
    for line in left_out[:SHOWN]:
        write(f"== left out: {line}")
    if len(left_out) > SHOWN:
        write(f"== left out: {len(left_out) - SHOWN} more")
    more = SHALLOW if branches.shallow and copied.elsewhere else ""
    if not copied.files:
        raise PublishError(
            f"there is nothing to publish: no commit of branch {names[0]} has results that can be "
            f"used; {copied.elsewhere} measured commits are on no branch of it{more}"
        )
    if more:
        write(f"== note: {copied.elsewhere} measured commits are not known here{more}")
    path = work / "asv.conf.json"
    path.write_text(
        json.dumps(
            {
                **settings,
                "repo": str(branches.path),
                "branches": branches.names,
                "benchmark_dir": str(root / str(settings.get("benchmark_dir", "benchmarks"))),
                "results_dir": str(work / "results"),
                "html_dir": str(work / "html"),
                COPIED: {"results": str(results), "left_out": left_out},
            }
        ),
        encoding="utf-8",
    )
    return path


def _put_in_place(new: Path, site: Path, old: Path) -> None:
    if not (new / "index.html").is_file():
        raise PublishError("asv said that it had published the site, and there is none")
    site.parent.mkdir(parents=True, exist_ok=True)
    try:
        if site.exists():
            site.rename(old)
        new.rename(site)
    except BaseException:
        if old.exists() and not site.exists():
            old.rename(site)
        raise
