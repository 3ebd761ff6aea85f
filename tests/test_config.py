"""Configuration: every value out of its range is refused by name when it is set."""

import math
from collections.abc import Callable
from dataclasses import FrozenInstanceError

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
