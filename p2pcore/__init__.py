"""An embeddable peer-to-peer core: encrypted, replicated records over real sockets.

The public names are loaded when they are first used: whoever needs one machine of the core, or
the command line's `--help`, does not pay for sockets and cryptography.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from p2pcore.version import __version__

if TYPE_CHECKING:
    from p2pcore.aio.client import AdaptiveClient
    from p2pcore.aio.coordinator import AdaptiveCoordinator
    from p2pcore.config import OPEN_NETWORK_KEY, ClientConfig, CoordinatorConfig
    from p2pcore.errors import (
        AuthenticationError,
        BatchError,
        BrokenError,
        BusyError,
        ClockOffsetError,
        ClosedError,
        ConfigError,
        DeadlineError,
        IncompatibleError,
        KeyNotFoundError,
        LimitError,
        NotAllowedError,
        P2PError,
        ProtocolError,
        QuorumError,
        RefusedError,
        StorageBrokenError,
        StorageFullError,
        UnreachableError,
        UsageError,
    )
    from p2pcore.overlay.crawl import NetworkFigure, NetworkStats, PeerContact
    from p2pcore.overlay.inspection import NodeInfo
    from p2pcore.replication.operations import StoreReceipt
    from p2pcore.routing.estimates import PeerEstimate
    from p2pcore.routing.waiting import Priority
    from p2pcore.session.trace import Trace, TracedReply

__all__ = [
    "OPEN_NETWORK_KEY",
    "AdaptiveClient",
    "AdaptiveCoordinator",
    "AuthenticationError",
    "BatchError",
    "BrokenError",
    "BusyError",
    "ClientConfig",
    "ClockOffsetError",
    "ClosedError",
    "ConfigError",
    "CoordinatorConfig",
    "DeadlineError",
    "IncompatibleError",
    "KeyNotFoundError",
    "LimitError",
    "NetworkFigure",
    "NetworkStats",
    "NodeInfo",
    "NotAllowedError",
    "P2PError",
    "PeerContact",
    "PeerEstimate",
    "Priority",
    "ProtocolError",
    "QuorumError",
    "RefusedError",
    "StorageBrokenError",
    "StorageFullError",
    "StoreReceipt",
    "Trace",
    "TracedReply",
    "UnreachableError",
    "UsageError",
    "__version__",
]

_HOMES = {
    "AdaptiveClient": "p2pcore.aio.client",
    "AdaptiveCoordinator": "p2pcore.aio.coordinator",
    "ClientConfig": "p2pcore.config",
    "CoordinatorConfig": "p2pcore.config",
    "NetworkFigure": "p2pcore.overlay.crawl",
    "NetworkStats": "p2pcore.overlay.crawl",
    "NodeInfo": "p2pcore.overlay.inspection",
    "OPEN_NETWORK_KEY": "p2pcore.config",
    "PeerContact": "p2pcore.overlay.crawl",
    "PeerEstimate": "p2pcore.routing.estimates",
    "Priority": "p2pcore.routing.waiting",
    "StoreReceipt": "p2pcore.replication.operations",
    "Trace": "p2pcore.session.trace",
    "TracedReply": "p2pcore.session.trace",
}


if not TYPE_CHECKING:  # a type checker shall not believe that there is a name for everything

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value: object = getattr(import_module(_HOMES.get(name, "p2pcore.errors")), name)
        globals()[name] = value  # the next use is a plain look-up
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
