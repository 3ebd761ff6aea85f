"""Nothing lies: every path, module, name, option and command in backticks is there."""

import pytest

from tests.house import ROOT
from tests.named import Known, Prose, dead_pages, lies, proses


@pytest.fixture(scope="module")
def known() -> Known:
    return Known(ROOT)


def test_what_is_named_is_there(known: Known) -> None:
    """`python -m tests.named` prints the same. A word of another program stands in plain text."""
    found = [f"{prose.place}: `{lie}`" for prose in proses() for lie in lies(prose, known)]
    assert found == []


def test_every_page_that_is_cited_is_there(known: Known) -> None:
    assert dead_pages(known) == []


@pytest.mark.parametrize(
    "lie",
    [
        "`p2pcore/wire/telegrams.py`",
        "`wire/telegrams.py`",
        "`tests/nowhere/`",
        "`docs/scaling_up.md`",
        "`p2pcore.sim.explore.size.SizeWalk`",
        "`p2pcore.telegrams`",
        "`AdaptiveClient.telegraph`",
        "`AdaptiveTelegraph`",
        "`telegraph_many`, which is `_on_telegraph` there",
        "`replication_telegraphs=3`",
        "`telegraphs`",
        "`--telegraphs`",
        "`make telegraphs`",
        "`python -m perflab.telegraphs`",
        "```sh\nmake telegraphs\n```",
        "``P2PCORE_TELEGRAPHS``",
        "`AdaptiveClient(telegraphs_s=3)`",
    ],
)
def test_a_lie_is_found(known: Known, lie: str) -> None:
    assert lies(Prose("a page", f"See\n{lie}\nthere."), known)


@pytest.mark.parametrize(
    "truth",
    [
        "`p2pcore/wire/messages.py` `wire/messages.py` `messages.py` `tests/wire/`",
        "`p2pcore.sim.explore.size.SizeRun` `wire.codec` `p2pcore.wire`",
        "`AdaptiveClient.store_many` `DeadlineError` `KeyNotFoundError`",
        "`python -m perflab gate BASE HEAD --only 'cpu.*'`, `make gate BASE=x`",
        "`.asv/gate/runs/` `DIR/worker-0` `asyncio.timeout` `range` `ttl_s=3600`",
        "`R + W > N`, `#` and `log2(N)/3`",
        "```python\nanything_goes = here\n```",
    ],
)
def test_what_is_true_is_no_lie(known: Known, truth: str) -> None:
    assert lies(Prose("a page", truth), known) == []
