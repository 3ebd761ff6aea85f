"""Configuration: every value out of its range is refused by name when it is set."""

import math
import warnings
from collections.abc import Callable
from dataclasses import FrozenInstanceError, fields
from pathlib import Path
from typing import Any

import pytest

from p2pcore.config import MIN_NETWORK_KEY_BYTES, ClientConfig, CoordinatorConfig
from p2pcore.errors import ConfigError, P2PError

BAD = [
    (CoordinatorConfig, "listen", "nowhere"),
    (CoordinatorConfig, "listen", "127.0.0.1:0#" + "ab" * 32),
    (CoordinatorConfig, "advertise", "host"),
    (CoordinatorConfig, "bootstrap", "host:1"),
    (CoordinatorConfig, "bootstrap", ["host"]),
    (CoordinatorConfig, "bootstrap", ["host:1#12"]),
    (CoordinatorConfig, "replication_factor", 0),
    (CoordinatorConfig, "replication_factor", 21),
    (CoordinatorConfig, "write_quorum", 0),
    (CoordinatorConfig, "write_quorum", 4),
    (CoordinatorConfig, "read_quorum", 0),
    (CoordinatorConfig, "read_quorum", 4),
    (CoordinatorConfig, "network_key", b"x" * (MIN_NETWORK_KEY_BYTES - 1)),
    (CoordinatorConfig, "network_key", "x" * 32),
    (CoordinatorConfig, "max_connections", 0),
    (CoordinatorConfig, "max_handshakes", 0),
    (CoordinatorConfig, "max_store_bytes", 0),
    (CoordinatorConfig, "cache_bytes", 0),
    (CoordinatorConfig, "max_disk_bytes", (64 << 20) - 1),
    *[
        (CoordinatorConfig, name, value)
        for name in ("join_timeout_s", "handshake_timeout_s", "tombstone_grace_s")
        for value in (0, -1.0, math.nan, math.inf)
    ],
    *[(kind, "max_clock_offset_s", value)
      for kind in (CoordinatorConfig, ClientConfig) for value in (-1, math.nan, math.inf)],
    (ClientConfig, "bootstrap", []),
    (ClientConfig, "bootstrap", "host:1"),
    (ClientConfig, "network_key", b""),
    (ClientConfig, "max_in_flight", 0),
    *[(kind, "pool_size", 0) for kind in (CoordinatorConfig, ClientConfig)],
    *[
        (ClientConfig, name, value)
        for name in ("timeout_s", "connect_timeout_s")
        for value in (0, -1.0, math.nan, math.inf)
    ],
]  # fmt: skip


@pytest.mark.parametrize(("kind", "name", "value"), BAD)
def test_a_bad_value_is_refused_by_name(
    kind: Callable[..., object], name: str, value: object
) -> None:
    settings: dict[str, object] = {"bootstrap": ["127.0.0.1:1"]}
    with pytest.raises(ConfigError, match=name) as refusal:
        kind(**settings | {name: value})
    assert isinstance(refusal.value, P2PError)


def test_the_message_never_shows_the_network_key() -> None:
    key = b"a secret of 32 bytes, for a test"
    assert "secret" not in repr(CoordinatorConfig(network_key=key))
    assert "secret" not in repr(ClientConfig(network_key=key, bootstrap=["127.0.0.1:1"]))
    with pytest.raises(ConfigError) as refusal:
        CoordinatorConfig(network_key=b"secret")
    assert "secret" not in str(refusal.value)


def test_limits_themselves_are_allowed() -> None:
    config = CoordinatorConfig(
        replication_factor=20, write_quorum=20, read_quorum=20, max_clock_offset_s=0,
        network_key=b"x" * MIN_NETWORK_KEY_BYTES, max_connections=1, max_handshakes=1,
    )  # fmt: skip
    assert config.replication_factor == 20
    assert CoordinatorConfig(replication_factor=1, write_quorum=1, read_quorum=1).listen


def test_a_configuration_is_frozen_and_its_addresses_too() -> None:
    addresses = ["127.0.0.1:1"]
    config = ClientConfig(bootstrap=addresses)
    addresses.append("127.0.0.1:2")
    assert config.bootstrap == ("127.0.0.1:1",)
    with pytest.raises(FrozenInstanceError):
        config.timeout_s = 1  # type: ignore[misc]


SHARED: dict[str, Any] = {"bootstrap": ["127.0.0.1:1"]}
WRONG_TYPES = [None, True, 2.5, "3", b"3", [3], {3: 3}, object(), 1j, 10**5000]
"""For every setting; those few that a setting takes are left out below."""

TAKEN: dict[str, tuple[object, ...]] = {
    "advertise": (None,), "data_dir": (None, "3"), "allow_file": (None, "3"),
    "write_quorum": (None,), "read_quorum": (None,), "avoid_outliers": (True,),
    "overload_control": (True,),
}  # fmt: skip


@pytest.mark.parametrize("kind", [CoordinatorConfig, ClientConfig])
def test_no_setting_takes_a_value_of_another_type(kind: Any) -> None:
    for field in fields(kind):
        for value in WRONG_TYPES:
            if any(value is taken or value == taken for taken in TAKEN.get(field.name, ())):
                continue
            if field.name.endswith("_s") and value == 2.5:
                continue  # a time
            with pytest.raises(ConfigError, match=field.name):
                kind(**SHARED | {field.name: value})


@pytest.mark.parametrize("name", ["max_connections", "pool_size", "max_handshakes"])
def test_counts_have_an_end_and_the_message_names_it(name: str) -> None:
    assert getattr(CoordinatorConfig(**{name: 2**31 - 1}), name) == 2**31 - 1  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=f"{name} must be .* at most 2147483647, not 2147483648"):
        CoordinatorConfig(**{name: 2**31})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (CoordinatorConfig, "max_store_bytes", 2**63),
        (CoordinatorConfig, "repair_bytes_per_s", 2**63),
        (CoordinatorConfig, "join_timeout_s", 1e308),
        (CoordinatorConfig, "leave_timeout_s", 1.1e9),
        (CoordinatorConfig, "tombstone_grace_s", 10**400),
        (CoordinatorConfig, "advertise", "host:0"),
        (CoordinatorConfig, "advertise", "h" * 300 + ":1"),
        (CoordinatorConfig, "listen", "host:" + "1" * 5000),
        (CoordinatorConfig, "listen", "\ud800:1"),
        (CoordinatorConfig, "data_dir", ""),
        (CoordinatorConfig, "data_dir", "a\0b"),
        (ClientConfig, "timeout_s", 1e6),
        (ClientConfig, "connect_timeout_s", 1e300),
        (ClientConfig, "max_in_flight", 2**31),
    ],
)
def test_what_would_overflow_later_is_refused_at_once(
    kind: Callable[..., object], name: str, value: object
) -> None:
    with pytest.raises(ConfigError, match=name) as refusal:
        kind(**SHARED | {name: value})
    assert len(str(refusal.value)) < 400, "one readable line"


def test_addresses_may_come_from_anything_that_can_be_gone_through() -> None:
    """A generator is gone through once: empty would mean "the first node"."""
    config = CoordinatorConfig(bootstrap=(f"host:{port}" for port in (1, 2)))  # type: ignore[arg-type]
    assert config.bootstrap == ("host:1", "host:2")


@pytest.mark.parametrize(("n", "majority"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (20, 11)])
def test_quorums_are_majorities_unless_stated(n: int, majority: int) -> None:
    config = CoordinatorConfig(replication_factor=n)
    assert (config.write_quorum, config.read_quorum) == (majority, majority)
    stated = CoordinatorConfig(replication_factor=n, write_quorum=n)
    assert (stated.write_quorum, stated.read_quorum) == (n, majority)


def test_quorums_that_need_not_meet_are_warned_of() -> None:
    with pytest.warns(UserWarning, match="read_quorum . write_quorum is 4, .* 5") as told:
        CoordinatorConfig(replication_factor=5, write_quorum=2, read_quorum=2)
    assert Path(told[0].filename) == Path(__file__)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        CoordinatorConfig(replication_factor=5, write_quorum=2, read_quorum=4)
