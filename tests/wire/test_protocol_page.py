"""The table of messages in docs/protocol.md is that of the code."""

import re

from p2pcore.wire.messages import MESSAGES
from tests.house import ROOT

ROW = re.compile(r"^\| (\d+) \| (\w+) \| ([^|]+) \|", re.M)
INNERMOST = re.compile(r"[\[{(][^\[\]{}()]*[\]})]")


def count(fields: str) -> int:
    """How many fields a cell lists: those inside of brackets are parts of one."""
    while INNERMOST.search(fields):
        fields = INNERMOST.sub("", fields)
    return fields.count(",") + 1


def test_each_message_has_its_row_with_its_fields() -> None:
    page = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
    rows = {int(tag): (name, count(fields)) for tag, name, fields in ROW.findall(page)}
    assert rows == {
        kind.__struct_config__.tag: (kind.__name__, len(kind.__struct_fields__))
        for kind in MESSAGES
    }
