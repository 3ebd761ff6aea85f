"""Where a node is reached: `host:port`, with or without the id that must answer there."""

from p2pcore.errors import UsageError
from p2pcore.ids import ID_BYTES, NodeId

__all__ = ["parse_address", "split_address"]


def parse_address(text: str) -> tuple[str, NodeId | None]:
    """`host:port` or `host:port#id` (64 hex digits) as (address, id or None).

    Without an id, whoever of the network answers at the address is trusted.

    Raises:
        UsageError: the text is neither.
    """
    address, hash_sign, id_text = text.partition("#")
    split_address(address)
    if not hash_sign:
        return address, None
    try:
        node_id = bytes.fromhex(id_text)
    except ValueError:
        node_id = b""
    if len(node_id) != ID_BYTES or len(id_text) != 2 * ID_BYTES:  # fromhex skips white space
        raise UsageError(f"a node id has {2 * ID_BYTES} hex digits: {text!r} has another form")
    return address, NodeId(node_id)


def split_address(address: str) -> tuple[str, int]:
    """`host:port` as (host, port), the brackets of an IPv6 literal taken off.

    Raises:
        UsageError: the text has another form, or the port is not 0 to 65535.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise UsageError(f"an address is host:port or host:port#id, not {address!r}")
    if ":" in host:
        if not (host.startswith("[") and host.endswith("]")):
            raise UsageError(f"an IPv6 address stands in brackets, [{host}]:{port}")
        host = host[1:-1]
    return host, int(port)
