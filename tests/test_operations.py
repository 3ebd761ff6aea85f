"""What the pages for operators tell people to type is understood by the programs, and each alert
leads to a section that says what to do."""

import re
import shlex
from pathlib import Path

import pytest

import perflab.__main__ as perflab_main
from p2pcore.cli.defaults import parsed
from perflab.production.objectives import plan_of
from perflab.production.rules import RuleSet
from perflab.readiness.targets import read_targets

DOCS = Path(__file__).parents[1] / "docs"
PAGES = ("operations.md", "production.md", "scaling.md")
FOREIGN = {
    "/opt/p2pcore/bin/pip", "curl", "docker", "echo", "kubectl", "make", "mv", "pip", "promtool",
    "rm", "systemctl",
}  # fmt: skip
"""Programs of others, which are not run here."""


def commands(page: str) -> list[str]:
    """What is to be typed: in blocks, all of `sh` and what follows a prompt in `console`; and the
    commands of `perflab` that stand in a table."""
    text = (DOCS / page).read_text(encoding="utf-8")
    found = []
    for language, block in re.findall(r"^```(sh|console)\n(.*?)^```", text, re.M | re.S):
        lines = re.sub(r"\\\n\s*(\$\s)?", "", block).splitlines()
        if language == "console":
            lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        found += [line for line in lines if line and not line.startswith("#")]
    rows = [line for line in text.splitlines() if line.startswith("|")]
    found += re.findall(r"`(python -m perflab [^`]+)`", "\n".join(rows))
    return found


ALL = [(page, command) for page in PAGES for command in commands(page)]


@pytest.mark.parametrize(("page", "command"), ALL, ids=[command[:60] for _, command in ALL])
def test_commands_are_understood(page: str, command: str) -> None:
    words = shlex.split(command.replace("…", ""), comments=True)
    if ">>" in words:
        words = words[: words.index(">>")]
    if words[:2] == ["kubectl", "exec"]:
        words = words[words.index("--") + 1 :]
    if words[:3] == ["python", "-m", "perflab"]:
        assert perflab_main._parsed(words[3:]).command == words[3]
    elif words[0] == "p2pcore":
        assert parsed(words[1:]).command == words[1]
    else:
        assert words[0] in FOREIGN


def test_there_are_commands_of_each_kind() -> None:
    said = [command for _, command in ALL]
    for begins in ("p2pcore serve", "p2pcore backup", "python -m perflab chaos", "kubectl apply"):
        assert any(each.startswith(begins) for each in said), begins


def test_every_alert_leads_to_a_section() -> None:
    text = (DOCS / "operations.md").read_text(encoding="utf-8")
    anchors = {words.lower().replace(" ", "-") for words in re.findall(r"^#+ (.+)$", text, re.M)}
    rules = RuleSet(plan=plan_of(read_targets())).rules()
    alerts = [rule for group in rules["groups"] for rule in group["rules"] if "alert" in rule]
    assert len(alerts) > 10
    for each in alerts:
        page, _, anchor = each["annotations"]["runbook_url"].partition("#")
        assert page == "docs/operations.md"
        assert anchor in anchors, each["alert"]
        assert each["alert"].lower().startswith(anchor)
