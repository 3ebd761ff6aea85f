"""A change that alerts told has its explanation, or the command that writes it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from perflab.results.explained import EXPLAINED, page_name, read_told
from perflab.site.explained import copy_explained, explanation_of
from perflab.site.findings import findings
from tests.perflab.site.test_culprits import FOUND, model_of

STEP = {
    "machine": "lab", "environment": "e", "series": FOUND.series, "what": "slower",
    "commit": f"{9:040}", "good": f"{2:040}", "last": f"{9:040}",
}  # fmt: skip
PAGE = f"{page_name(FOUND.series, 'lab', 'e', STEP['commit'])}.html"


def alerts_of(folder: Path, **changed: object) -> Path:
    content = {"version": 1, "findings": [STEP | changed]}
    (folder / "alerts.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def file_page(folder: Path) -> Path:
    page = folder / EXPLAINED / PAGE
    page.parent.mkdir()
    page.write_text("why", encoding="utf-8")
    return page


@pytest.mark.parametrize(
    "changed",
    [
        {"machine": "another"},
        {"environment": "another"},
        {"series": "another"},
        {"what": "failing"},
        {"last": f"{8:040}"},
        {"good": f"{9:040}"},
        {"good": "f" * 40},  # no longer in the history
    ],
)
def test_another_step_explains_nothing(tmp_path: Path, changed: dict[str, object]) -> None:
    file_page(tmp_path)
    model = replace(model_of(), told=read_told(alerts_of(tmp_path, **changed)))
    assert explanation_of(model, *model.changes) is None


def test_a_step_that_was_told_has_a_command_and_then_a_page(tmp_path: Path) -> None:
    model = replace(model_of(), told=read_told(alerts_of(tmp_path)))
    command = f'python -m perflab explain "{FOUND.series}"'
    assert [row.explained for row in findings(model)] == [{"command": command}]
    site = tmp_path / "site"
    site.mkdir()
    copy_explained(model.told, site)
    assert not list(site.iterdir())
    file_page(tmp_path)
    model = replace(model_of(), told=read_told(tmp_path))
    assert [row.explained for row in findings(model)] == [{"page": f"{EXPLAINED}/{PAGE}"}]
    copy_explained(model.told, site)
    assert (site / EXPLAINED / PAGE).read_text(encoding="utf-8") == "why"


def test_a_damaged_file_costs_the_explanations_alone(tmp_path: Path) -> None:
    assert read_told(tmp_path) == []
    for text in ("{", "[]", '{"version": 2, "findings": []}', '{"version": 1, "findings": [{}]}'):
        (tmp_path / "alerts.json").write_text(text, encoding="utf-8")
        assert read_told(tmp_path) == []


def test_pages_of_two_steps_have_two_names_that_a_disk_can_take() -> None:
    one, other = (page_name("x." * 400, "lab", environment, "1" * 40) for environment in "ef")
    assert one != other
    assert len(one) < 200
