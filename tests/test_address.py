"""Addresses: what is read as one, and what is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pcore.address import parse_address, split_address
from p2pcore.errors import UsageError

ID = "ab" * 32


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:0", "127.0.0.1", 0),
        ("example.org:65535", "example.org", 65535),
        ("[::1]:7000", "::1", 7000),
        ("[fe80::1%eth0]:7", "fe80::1%eth0", 7),
    ],
)
def test_split(text: str, host: str, port: int) -> None:
    assert split_address(text) == (host, port)


@pytest.mark.parametrize(
    "text",
    ["", ":", ":1", "host", "host:", "host:x", "host:-1", "host:65536", "host:٣", "host: 1",
     "::1:7", "[::1:7", "::1]:7", "host:1#"],
)  # fmt: skip
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        split_address(text)
    with pytest.raises(UsageError):
        parse_address(text)


@pytest.mark.parametrize(
    "text", [None, 7, b"host:1", ["host:1"], "host:" + "1" * 5000, "h" * 300 + ":1", "\ud800:1"]
)
def test_what_is_no_text_of_that_length_is_refused(text: str) -> None:
    for read in (split_address, parse_address):
        with pytest.raises(UsageError) as refusal:
            read(text)
    assert len(str(refusal.value)) < 6000


def test_parse_with_and_without_id() -> None:
    assert parse_address("host:1") == ("host:1", None)
    assert parse_address(f"[::1]:1#{ID}") == ("[::1]:1", bytes.fromhex(ID))


@pytest.mark.parametrize(
    "id_text", ["", "ab", ID[:-1], ID + "0", "x" * 64, "ab " * 32, ID + "#", "0x" + ID[2:]]
)
def test_an_id_has_64_hex_digits(id_text: str) -> None:
    with pytest.raises(UsageError, match="64 hex digits"):
        parse_address(f"host:1#{id_text}")


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        address, node_id = parse_address(text)
    except UsageError:
        return
    host, port = split_address(address)
    assert host
    assert 0 <= port <= 65535
    assert node_id is None or len(node_id) == 32
