"""The edge of plain sockets: a client without an event loop, for scripts, threads and notebooks.

`Client` is what applications use.
"""

from p2pcore.blocking.client import BlockingClient

__all__ = ["Client"]

Client = BlockingClient
