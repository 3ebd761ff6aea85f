"""An embeddable peer-to-peer core: encrypted, replicated records over real sockets."""

__all__ = ["__version__"]

__version__ = "0.1.0"
