"""The dashboard without a Grafana: its own panels, with what a Prometheus answers, in one file."""

import argparse
import json
import re
from pathlib import Path
from typing import Any

import pytest

from perflab.production.command import add_dashboard_arguments, dashboard_main
from perflab.production.dashboard import panels
from perflab.production.objectives import plan_of
from perflab.production.rules import RuleSet
from perflab.readiness.targets import read_targets
from tests.perflab.browser import CHROMIUM, PHONE, WIDE, chromium, serving
from tests.perflab.production.made_clients import BEGIN_S, MadeClient, openmetrics
from tests.perflab.served_blocks import blocks, served

RULE_SET = RuleSet(plan=plan_of(each for each in read_targets() if each.set == "production"))
STRANGE = "</script><b>a"


def written(output: Path, *arguments: str) -> int:
    parser = argparse.ArgumentParser()
    add_dashboard_arguments(parser)
    return dashboard_main(parser.parse_args([*arguments, "--output", str(output)]))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("preview")
    clients = [MadeClient(instance=STRANGE, end_s=3600, failing=lambda at: 0.2)]
    (folder / "hour.om").write_text("\n".join(openmetrics(clients)) + "\n")
    window = f"{BEGIN_S}..{BEGIN_S + 3600}"
    with served(blocks(folder, folder / "hour.om")) as url:
        path = folder / "page" / "preview.html"
        assert written(path, "--preview", url, "--window", window) == 0
    return path


def shown(page: Path) -> dict[str, Any]:
    (found,) = re.findall(r'id="data">(.*?)</script>', page.read_text(encoding="utf-8"), re.DOTALL)
    data: dict[str, Any] = json.loads(found)
    return data


def test_every_panel_is_there_with_its_unit_place_and_answers(page: Path) -> None:
    data = shown(page)
    found = {each["title"]: each for each in data["panels"]}
    assert list(found) == [each.title for each in panels(RULE_SET)]
    assert [found[each.title]["unit"] for each in panels(RULE_SET)] == [
        each.unit for each in panels(RULE_SET)
    ]
    operations = found["p2pcore_operations_total"]
    lines = {each["label"]: each["y"] for each in operations["lines"]}
    assert len(data["x"]) == len(lines["retrieve ok"]) == 241
    assert lines["retrieve ok"][120] == pytest.approx(8, rel=0.01)
    assert lines["retrieve quorum"][120] == pytest.approx(2, rel=0.01)
    (build,) = found["p2pcore_build_info"]["rows"]
    assert build["instance"] == STRANGE
    assert found["p2pcore_store_records"]["lines"] == []
    assert next(iter(found.values()))["thresholds"] == [[1, "orange"]]  # a median's budget


def test_the_page_fetches_nothing_and_no_label_gets_out(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"""(src|href)\s*=|url\(|@import""", text.split("<script>")[0])
    assert STRANGE not in text
    assert "without a Grafana" in text


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_it_is_drawn_wide_and_on_a_phone(page: Path) -> None:
    with serving(page.parent) as address, chromium() as browser:
        for width in (WIDE, PHONE):
            wrong: list[str] = []
            opened = browser.new_page(viewport={"width": width, "height": 900})
            opened.on("pageerror", lambda error, wrong=wrong: wrong.append(str(error)))
            opened.goto(f"{address}preview.html")
            opened.wait_for_selector("html[data-shown]", state="attached")
            assert opened.locator("section").count() == len(panels(RULE_SET))
            assert opened.locator("canvas").count() == 2  # of operations; no rule was recorded
            assert opened.evaluate("document.documentElement.scrollWidth") <= width
            assert not wrong
            opened.close()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--preview", "http://127.0.0.1:9"], "Connection refused"),
        (["--preview", "nowhere"], "is no address like"),
        (["--preview", "http://127.0.0.1:9", "--window", "0h"], "a window is of 60 s"),
    ],
)
def test_what_cannot_be_drawn_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert written(tmp_path / "preview.html", *arguments) == 2
    assert words in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
