"""An embeddable peer-to-peer core: encrypted, replicated records over real sockets."""

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
    P2PError,
    ProtocolError,
    QuorumError,
    RefusedError,
    StorageFullError,
    UnreachableError,
    UsageError,
)
from p2pcore.replication.operations import StoreReceipt

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
    "P2PError",
    "ProtocolError",
    "QuorumError",
    "RefusedError",
    "StorageFullError",
    "StoreReceipt",
    "UnreachableError",
    "UsageError",
    "__version__",
]

__version__ = "0.1.0"
