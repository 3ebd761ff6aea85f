"""Settings, checked when they are made. Nothing is read from the environment or from files.

Rule: plain frozen data; every field has its unit and its meaning in one line.
"""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, cast

from p2pcore.address import parse_address, split_address
from p2pcore.errors import ConfigError, UsageError, shown

__all__ = [
    "DURABILITIES",
    "MAX_TIMEOUT_S",
    "MIN_NETWORK_KEY_BYTES",
    "OPEN_NETWORK_KEY",
    "ClientConfig",
    "CoordinatorConfig",
]

MIN_NETWORK_KEY_BYTES = 16
OPEN_NETWORK_KEY = b"p2pcore open network: no secret."
"""The key of a network that anybody may join: published, so encryption but no admission."""

MAX_TIMEOUT_S = 1e6  # of one operation, so that no sum of times overflows; eleven days
MAX_SECONDS = 1e9  # of any setting: 31 years, what no timer or clock takes amiss
MAX_COUNT = 2**31 - 1
MAX_BYTES = 2**63 - 1  # what a node can say of itself on the wire
MIN_DISK_BYTES = 64 << 20  # of which the log and the group that is written take a quarter
MAX_REPLICAS = 20
MAX_WITNESSES = 8  # a suspicion must not make a storm of pings
LEAST_DETECTION_S = {"probe_after_s": 0.2, "give_up_after_s": 0.1}
DURABILITIES = ("synced", "buffered", "memory")


def _check(condition: bool, name: str, value: object, allowed: str) -> None:
    if not condition:
        raise ConfigError(f"{name} must be {allowed}, not {shown(value)}")


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _check_ints(config: Any, names: Iterable[str], most: int, allowed: str = "") -> None:
    """These settings are whole numbers from 1 to `most`."""
    for name in names:
        value = getattr(config, name)
        _check(_is_int(value), name, value, "a whole number")
        _check(1 <= value <= most, name, value, allowed or f"at least 1 and at most {most}")


def _check_seconds(config: Any, names: Iterable[str], *, zero: bool = False) -> None:
    """These settings are times; `zero`: also none at all."""
    least = "0 or more" if zero else "more than 0"
    for name in names:
        value = getattr(config, name)
        _check(_is_int(value) or isinstance(value, float), name, value, "a number of seconds")
        in_range = 0 <= value <= MAX_SECONDS and (zero or value > 0)
        _check(in_range, name, value, f"{least} and at most {MAX_SECONDS:g} seconds")


def _check_routing(config: Any) -> None:
    outliers, budget = config.avoid_outliers, config.hedge_budget
    _check(isinstance(outliers, bool), "avoid_outliers", outliers, "True or False")
    control = config.overload_control
    _check(isinstance(control, bool), "overload_control", control, "True or False")
    number = _is_int(budget) or isinstance(budget, float)
    _check(number and 0 <= budget <= 1, "hedge_budget", budget, "a number from 0 to 1")


def _check_detection(config: "CoordinatorConfig") -> None:
    for name in ("probe_after_s", "give_up_after_s"):
        value, least = getattr(config, name), LEAST_DETECTION_S[name]
        _check_seconds(config, (name,))
        _check(least <= value <= 60, name, value, f"{least} to 60 seconds")
    witnesses = config.witnesses
    in_range = _is_int(witnesses) and 0 <= witnesses <= MAX_WITNESSES
    _check(in_range, "witnesses", witnesses, f"a whole number from 0 to {MAX_WITNESSES}")
    _check_seconds(config, ("copy_after_s",), zero=True)


def _check_network_key(network_key: object) -> None:
    _check(isinstance(network_key, bytes), "network_key", type(network_key), "bytes")
    size = len(cast(bytes, network_key))
    if size < MIN_NETWORK_KEY_BYTES:
        raise ConfigError(
            f"network_key must have at least {MIN_NETWORK_KEY_BYTES} random bytes, "
            f"this one has {size}; `p2pcore keygen network` makes one"
        )


def _check_path(name: str, path: object) -> None:
    if path is None:
        return
    _check(isinstance(path, str | PurePath), name, path, "a path, as text or a Path")
    _check(str(path) != "" and "\0" not in str(path), name, path, "a path that can be there")


def _check_address(name: str, address: object) -> int:
    """Returns the port."""
    try:
        return split_address(cast(str, address))[1]
    except UsageError as error:
        raise ConfigError(f"{name}: {error}") from None


def _addresses(bootstrap: object) -> tuple[str, ...]:
    allowed = "a list of addresses"
    _check(isinstance(bootstrap, Iterable), "bootstrap", bootstrap, allowed)
    _check(not isinstance(bootstrap, str | bytes | bytearray), "bootstrap", bootstrap, allowed)
    addresses = tuple(cast(Iterable[str], bootstrap))
    for text in addresses:
        try:
            parse_address(text)
        except UsageError as error:
            raise ConfigError(f"bootstrap: {error}") from None
    return addresses


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

    write_quorum: int = cast(int, None)  # the majority, put in when the configuration is made
    """W: replicas that must confirm a store before it is acknowledged. Default: most of N."""

    read_quorum: int = cast(int, None)
    """R: replicas that must answer a retrieve. Default: most of N. Unless R + W > N, a retrieve may
    miss a store that was just acknowledged: that gives a warning."""

    network_key: bytes = field(default=OPEN_NETWORK_KEY, repr=False)
    """The secret that members share: at least 16 random bytes, made by `p2pcore keygen network`.
    Strangers can test guesses of it offline, so a password will not do."""

    data_dir: str | PurePath | None = None
    """Keeps the node's identity and its records across restarts. None: a new identity at every
    start, and records in memory."""

    durability: str = "auto"
    """When a replica says that it has stored something. "synced": once it is on disk for good, so
    that no power cut takes it. "buffered": once the operating system has it; a killed process loses
    nothing, a power cut the last seconds. "memory": at once, and a restart forgets all. "auto"
    becomes "synced" with a `data_dir`, else "memory"."""

    allow_file: str | PurePath | None = None
    """A file of the ids that may link, in any role: 64 hex digits a line, `#` begins a comment; a
    line `any-client` lets clients of other ids in. It can be read anew without a stop
    (`AdaptiveCoordinator.reload_allow_list`). None: whoever has the network key may link."""

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
    """Records kept here, overheads included; beyond it, stores are refused as StorageFull. Without
    a disk they are all in memory."""

    max_disk_bytes: int = 1 << 40
    """With a disk: what records may take there, their file and its log, 64 MiB at least; beyond it
    stores are refused, and reads and deletes go on, as on a full disk."""

    cache_bytes: int = 256 << 20
    """With a disk: values that stay in memory, those used last, with 160 bytes each. Others are
    read when somebody asks for them. What is known of a record beside its value, some 300 bytes,
    is always in memory, and so is what is on its way to the disk."""

    tombstone_grace_s: float = 24 * 3600.0
    """How long deletions are remembered: longer than any partition or absence of a node."""

    max_clock_offset_s: float = 30.0
    """Versions further ahead of this node's clock are refused."""

    avoid_outliers: bool = True
    """Replicas that answer more slowly than 2.5 times the median of a key's, or not at all, are
    asked last by retrieves."""

    hedge_budget: float = 0.05
    """Retrieves that take longer than 95 of 100 ask one replica more; this is how many may, as a
    share of all operations, 0 to 1. Retries count against it. 0: none, and retries are free."""

    overload_control: bool = True
    """Operations wait here while the nodes that they need have too much to do, and end in BusyError
    long before their deadline if that goes on. False: everything is sent at once."""

    probe_after_s: float = 0.8
    """Silence after which one of the 20 nearest nodes is pinged, 0.2 to 60: what it costs is a ping
    and its answer in that time for each of them, in a network without other traffic."""

    give_up_after_s: float = 2.2
    """How long a node may be silent once it was pinged, 0.1 to 60, beside the time that its answers
    take: a pause (of a collector, a moved virtual machine) that is shorter is no loss."""

    witnesses: int = 2
    """Neighbours that are asked to ping a silent node too before it is given up, 0 to 8. 0: none,
    and one bad path is taken for a loss."""

    copy_after_s: float = 20.0
    """How long a node that is lost is waited for before its records are copied again: it is not
    asked meanwhile. Where fewer than W or R replicas may be left, they are copied at once, and so
    they are after a graceful leave. 0: always at once."""

    repair_bytes_per_s: int = 8 << 20
    """How fast this node takes over records from others, and hands over its own, so that its
    service does not starve. Not for a graceful leave, which has `leave_timeout_s`."""

    leave_timeout_s: float = 5.0
    """How long `shutdown` hands records over to others. 0: leave at once."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "bootstrap", _addresses(self.bootstrap))
        _check_network_key(self.network_key)
        _check_address("listen", self.listen)
        if self.advertise is not None:
            port = _check_address("advertise", self.advertise)
            _check(port > 0, "advertise", self.advertise, "an address with a port of 1 to 65535")
        _check_path("data_dir", self.data_dir)
        _check_path("allow_file", self.allow_file)
        self._settle_durability()
        self._settle_quorums()
        _check_ints(self, ("max_connections", "pool_size", "max_handshakes"), MAX_COUNT)
        _check_ints(self, ("max_store_bytes", "cache_bytes", "repair_bytes_per_s"), MAX_BYTES)
        least = f"at least {MIN_DISK_BYTES} bytes (64 MiB)"
        _check_ints(self, ("max_disk_bytes",), MAX_BYTES, least)
        _check(self.max_disk_bytes >= MIN_DISK_BYTES, "max_disk_bytes", self.max_disk_bytes, least)
        _check_seconds(self, ("join_timeout_s", "handshake_timeout_s", "tombstone_grace_s"))
        _check_seconds(self, ("max_clock_offset_s", "leave_timeout_s"), zero=True)
        _check_routing(self)
        _check_detection(self)

    def _settle_durability(self) -> None:
        """With a directory it is the strictest, unless another was stated."""
        kept = self.data_dir is not None
        if isinstance(self.durability, str) and self.durability == "auto":
            object.__setattr__(self, "durability", DURABILITIES[0] if kept else "memory")
        allowed = f"auto, or one of {', '.join(DURABILITIES)}"
        known = isinstance(self.durability, str) and self.durability in DURABILITIES
        _check(known, "durability", self.durability, allowed)
        _check(
            self.durability == "memory" or kept,
            "durability",
            self.durability,
            '"memory" where there is no data_dir',
        )

    def _settle_quorums(self) -> None:
        """W and R are most of N where they were not stated."""
        allowed = f"1 to {MAX_REPLICAS} (the size of a bucket)"
        _check_ints(self, ("replication_factor",), MAX_REPLICAS, allowed)
        n = self.replication_factor
        quorums = ("write_quorum", "read_quorum")
        for name in quorums:
            if getattr(self, name) is None:
                object.__setattr__(self, name, n // 2 + 1)
        _check_ints(self, quorums, n, f"1 to replication_factor, which is {n}")
        total = self.write_quorum + self.read_quorum
        if total <= n:
            text = f"{total}, which is not more than replication_factor {n}"
            warnings.warn(
                f"read_quorum + write_quorum is {text}: a retrieve may miss an acknowledged store",
                stacklevel=4,  # whoever makes the configuration
            )


@dataclass(frozen=True, kw_only=True)
class ClientConfig:
    """A client's settings.

    Raises:
        ConfigError: a value is out of its range; the message names the setting and the range.
    """

    bootstrap: Sequence[str] = ()
    """Members to ask first: `host:port` or `host:port#id`. At least one."""

    network_key: bytes = field(default=OPEN_NETWORK_KEY, repr=False)
    """The secret that members share: at least 16 random bytes, made by `p2pcore keygen network`.
    Strangers can test guesses of it offline, so a password will not do."""

    data_dir: str | PurePath | None = None
    """Keeps the client's identity, for networks with allow lists; several clients may share it.
    None: a new identity for each client."""

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

    avoid_outliers: bool = True
    """Replicas that answer more slowly than 2.5 times the median of a key's, or not at all, are
    asked last by retrieves."""

    hedge_budget: float = 0.05
    """Retrieves that take longer than 95 of 100 ask one replica more; this is how many may, as a
    share of all operations, 0 to 1. Retries count against it. 0: none, and retries are free."""

    overload_control: bool = True
    """Operations wait here while the nodes that they need have too much to do, and end in BusyError
    long before their deadline if that goes on. False: everything is sent at once."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "bootstrap", _addresses(self.bootstrap))
        _check(bool(self.bootstrap), "bootstrap", self.bootstrap, "at least one address")
        _check_network_key(self.network_key)
        _check_path("data_dir", self.data_dir)
        _check_ints(self, ("max_in_flight", "pool_size"), MAX_COUNT)
        _check_seconds(self, ("timeout_s", "connect_timeout_s"))
        limit = f"below {MAX_TIMEOUT_S:g} seconds"
        _check(self.timeout_s < MAX_TIMEOUT_S, "timeout_s", self.timeout_s, limit)
        _check_seconds(self, ("max_clock_offset_s",), zero=True)
        _check_routing(self)
