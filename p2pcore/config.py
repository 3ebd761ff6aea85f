"""Settings, checked when they are made. Nothing is read from the environment or from files.

Rule: plain frozen data; every field has its unit and its meaning in one line.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from pathlib import PurePath

from p2pcore.address import parse_address, split_address
from p2pcore.errors import ConfigError, UsageError

__all__ = ["MIN_NETWORK_KEY_BYTES", "OPEN_NETWORK_KEY", "ClientConfig", "CoordinatorConfig"]

MIN_NETWORK_KEY_BYTES = 16
OPEN_NETWORK_KEY = b"p2pcore open network: no secret."
"""The key of a network that anybody may join: published, so encryption but no admission."""


def _check(condition: bool, name: str, value: object, allowed: str) -> None:
    if not condition:
        raise ConfigError(f"{name} must be {allowed}, not {value!r}")


def _check_network_key(network_key: bytes) -> None:
    _check(isinstance(network_key, bytes), "network_key", type(network_key).__name__, "bytes")
    if len(network_key) < MIN_NETWORK_KEY_BYTES:
        raise ConfigError(
            f"network_key must have at least {MIN_NETWORK_KEY_BYTES} random bytes, "
            f"this one has {len(network_key)}; `p2pcore keygen` makes one"
        )


def _addresses(bootstrap: Sequence[str]) -> tuple[str, ...]:
    _check(not isinstance(bootstrap, str), "bootstrap", bootstrap, "a list of addresses")
    for text in bootstrap:
        try:
            parse_address(text)
        except UsageError as error:
            raise ConfigError(f"bootstrap: {error}") from None
    return tuple(bootstrap)


@dataclass(frozen=True, kw_only=True)
class CoordinatorConfig:
    """A node's settings.

    Raises:
        ConfigError: a value is out of its range; the message names the setting and the range.
    """

    listen: str = "127.0.0.1:0"
    """`host:port` to listen on; port 0 takes a free one."""

    advertise: str | None = None
    """`host:port` at which others reach this node, where that is not what it listens on."""

    bootstrap: Sequence[str] = ()
    """Members to join through: `host:port` or `host:port#id`. None: this node is the first."""

    replication_factor: int = 3
    """N: replicas of each record. N, W and R are one setting for a whole network."""

    write_quorum: int = 2
    """W: replicas that must confirm a store before it is acknowledged."""

    read_quorum: int = 2
    """R: replicas that must answer a retrieve. Unless R + W > N, a retrieve may miss a store that
    was just acknowledged."""

    network_key: bytes = field(default=OPEN_NETWORK_KEY, repr=False)
    """The secret that members share: at least 16 random bytes."""

    data_dir: str | PurePath | None = None
    """Keeps the node's identity across restarts. None: a new identity at every start. Records
    are in memory in either case."""

    join_timeout_s: float = 10.0
    """How long `start` tries to get into the network."""

    max_connections: int = 1024
    """Incoming connections at a time; each costs tens of KiB. Further ones are told so."""

    pool_size: int = 256
    """Connections to other nodes that this one opens and keeps: as many as there are contacts in a
    network of 60,000 nodes, 20 * (log2(n / 20) + 1). Beyond it the least recently used idle ones
    are closed, and opened again on demand. The 20 nearest nodes go last; give them room."""

    max_handshakes: int = 64
    """TLS handshakes at a time: each costs about a millisecond of CPU and nobody knows yet who
    asks for it. A further one takes the place of the oldest."""

    handshake_timeout_s: float = 5.0
    """From the first byte to an authenticated peer; also for silence within a frame, of which the
    whole may take six times as long."""

    max_store_bytes: int = 1 << 30
    """Records kept here, overheads included; beyond it, stores are refused as StorageFull."""

    tombstone_grace_s: float = 24 * 3600.0
    """How long deletions are remembered: longer than any partition or absence of a node."""

    max_clock_offset_s: float = 30.0
    """Versions further ahead of this node's clock are refused."""

    repair_bytes_per_s: int = 8 << 20
    """How fast this node takes over records from others, and hands over its own, so that its
    service does not starve. Not for a graceful leave, which has `leave_timeout_s`."""

    leave_timeout_s: float = 5.0
    """How long `shutdown` hands records over to others. 0: leave at once."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "bootstrap", _addresses(self.bootstrap))
        _check_network_key(self.network_key)
        for name in ("listen", "advertise"):
            address = getattr(self, name)
            if address is not None:
                try:
                    split_address(address)
                except UsageError as error:
                    raise ConfigError(f"{name}: {error}") from None
        n = self.replication_factor
        _check(1 <= n <= 20, "replication_factor", n, "1 to 20 (the size of a bucket)")
        for name in ("write_quorum", "read_quorum"):
            value = getattr(self, name)
            _check(1 <= value <= n, name, value, f"1 to replication_factor, which is {n}")
        for name in ("join_timeout_s", "handshake_timeout_s", "tombstone_grace_s"):
            value = getattr(self, name)
            _check(0 < value < inf, name, value, "more than 0 and finite")
        for name in (
            "max_connections",
            "pool_size",
            "max_handshakes",
            "max_store_bytes",
            "repair_bytes_per_s",
        ):
            value = getattr(self, name)
            _check(value >= 1, name, value, "at least 1")
        for name in ("max_clock_offset_s", "leave_timeout_s"):
            value = getattr(self, name)
            _check(0 <= value < inf, name, value, "0 or more and finite")


@dataclass(frozen=True, kw_only=True)
class ClientConfig:
    """A client's settings.

    Raises:
        ConfigError: a value is out of its range; the message names the setting and the range.
    """

    bootstrap: Sequence[str] = ()
    """Members to ask first: `host:port` or `host:port#id`. At least one."""

    network_key: bytes = field(default=OPEN_NETWORK_KEY, repr=False)
    """The secret that members share: at least 16 random bytes."""

    timeout_s: float = 5.0
    """The deadline of an operation, retries included; each call can set its own."""

    connect_timeout_s: float = 5.0
    """For one connection, from dialling to an authenticated peer."""

    max_in_flight: int = 4096
    """Operations at a time; a further one raises BusyError. Bounds the client's memory."""

    pool_size: int = 256
    """Connections kept to nodes, some 30 KiB each; a quarter of the files that a process may
    usually have open. Beyond it the least recently used idle ones are closed."""

    max_clock_offset_s: float = 30.0
    """Versions of others further ahead of this clock are not followed."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "bootstrap", _addresses(self.bootstrap))
        _check(bool(self.bootstrap), "bootstrap", self.bootstrap, "at least one address")
        _check_network_key(self.network_key)
        for name in ("timeout_s", "connect_timeout_s"):
            value = getattr(self, name)
            _check(0 < value < inf, name, value, "more than 0 and finite")
        for name in ("max_in_flight", "pool_size"):
            _check(getattr(self, name) >= 1, name, getattr(self, name), "at least 1")
        offset = self.max_clock_offset_s
        _check(0 <= offset < inf, "max_clock_offset_s", offset, "0 or more and finite")
