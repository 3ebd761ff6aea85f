"""Where a node is reached: `host:port`, with or without the id that must answer there."""

from p2pcore.errors import UsageError, shown
from p2pcore.ids import ID_BYTES, NodeId

__all__ = ["MAX_ADDRESS_CHARS", "parse_address", "parse_node_id", "split_address"]

MAX_PORT = 65535
MAX_PORT_DIGITS = 8  # looked at: Python refuses to read numbers of thousands of digits
MAX_ADDRESS_CHARS = 262
"""The longest DNS name (253 characters), brackets of an IPv6 literal, a colon and a port."""


def parse_address(text: str) -> tuple[str, NodeId | None]:
    """`host:port` or `host:port#id` (64 hex digits) as (address, id or None).

    Without an id, whoever of the network answers at the address is trusted.

    Raises:
        UsageError: the text is neither.
    """
    address, hash_sign, id_text = _text(text).partition("#")
    split_address(address)
    if not hash_sign:
        return address, None
    node_id = parse_node_id(id_text)
    if node_id is None:
        raise UsageError(f"a node id has {2 * ID_BYTES} hex digits: {shown(text)} has another form")
    return address, node_id


def parse_node_id(text: str) -> NodeId | None:
    """An id that is written as 64 hex digits; None if the text has another form."""
    try:
        node_id = bytes.fromhex(text)
    except ValueError:
        return None
    if len(node_id) != ID_BYTES or len(text) != 2 * ID_BYTES:  # fromhex skips white space
        return None
    return NodeId(node_id)


def split_address(address: str) -> tuple[str, int]:
    """`host:port` as (host, port), the brackets of an IPv6 literal taken off.

    Raises:
        UsageError: the text has another form, or the port is not 0 to 65535.
    """
    host, colon, port = _text(address).rpartition(":")
    if not colon or not host or not _is_number(port):
        raise UsageError(f"an address is host:port or host:port#id, not {shown(address)}")
    if len(port) > MAX_PORT_DIGITS or int(port) > MAX_PORT:
        text = f"port {port[:20]} is out of range, which is 0 to {MAX_PORT}"
        raise UsageError(f"{text}: {shown(address)}")
    if len(address) > MAX_ADDRESS_CHARS:
        limit = f"the limit is {MAX_ADDRESS_CHARS}"
        raise UsageError(f"an address of {len(address)} characters, {limit}: {address[:40]!r}...")
    try:
        address.encode()
    except UnicodeEncodeError:
        raise UsageError(f"an address must have a UTF-8 form: {address!r}") from None
    if ":" in host:
        if not (host.startswith("[") and host.endswith("]")):
            raise UsageError(f"an IPv6 address stands in brackets, [{host}]:{port}")
        host = host[1:-1]
    return host, int(port)


def _text(address: object) -> str:
    if not isinstance(address, str):
        raise UsageError(f"an address is text, host:port or host:port#id, not {shown(address)}")
    return address


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
