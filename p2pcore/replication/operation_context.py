"""What the operations of one machine have in common: links, places, a clock, estimates, budgets.

Rule: holds them; does nothing with them.
"""

from random import Random

from p2pcore.overlay.bootstrap import Bootstrap
from p2pcore.overlay.directory import Directory
from p2pcore.routing.budget import HedgeBudget
from p2pcore.routing.estimates import Estimates
from p2pcore.routing.hedges import Hedges, Pace
from p2pcore.routing.windows import Windows
from p2pcore.session.links import Links
from p2pcore.versions import HybridClock
from p2pcore.wire.messages import Settings

__all__ = ["OperationContext"]


class OperationContext:
    """What operations need to do their work; one for each node or client.

    Args:
        hedge_budget: tokens that an operation brings (see `routing/budget.py`).
        windows: whether operations wait until nodes have room (see `routing/windows.py`).
        avoid_outliers: whether slow replicas are asked last.
        max_clock_offset_ms: versions further ahead of our time of day than this are not followed.
        may_delegate: whether a linked coordinator may be asked to run an operation for us.
    """

    def __init__(
        self,
        links: Links,
        directory: Directory,
        bootstrap: Bootstrap,
        clock: HybridClock,
        rng: Random,
        *,
        hedge_budget: float,
        windows: bool,
        avoid_outliers: bool,
        max_clock_offset_ms: int,
        may_delegate: bool,
    ) -> None:
        self.links = links
        self.directory = directory
        self.bootstrap = bootstrap
        self.clock = clock
        self.rng = rng
        self.budget = HedgeBudget(hedge_budget)
        self.estimates = Estimates(links.pool.by_node, self.budget, enabled=avoid_outliers)
        self.hedges = Hedges(links.calls)
        self.pace = Pace(enabled=hedge_budget > 0)  # of reads of one key
        links.teach(self.estimates.learn)
        self.windows = Windows(links.self_id, links.pool.by_node, links.counters, enabled=windows)
        links.keep_slots(self.windows)
        self.max_clock_offset_ms = max_clock_offset_ms
        self.may_delegate = may_delegate

    @property
    def settings(self) -> Settings:
        """The network's N, W and R. Known once a node has greeted us."""
        settings = self.links.settings
        assert settings is not None, "operations begin after the first greeting"
        return settings
