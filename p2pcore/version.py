"""Which p2pcore this is: read by the build, told to other nodes."""

__all__ = ["__version__"]

__version__ = "0.1.0"
