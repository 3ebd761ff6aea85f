"""What a disk of the tests gives back of what was written to it."""

from p2pcore.effects import Persist
from p2pcore.storage.store import Saved, seal_of

__all__ = ["saved"]


def saved(written: list[Persist]) -> list[Saved]:
    """The last of each key, in the order in which keys came."""
    last = {each.key: each for each in written}
    return [
        Saved(w.key, w.version, w.value, w.expires_ms,
              seal_of(w.key, w.version, w.value, w.expires_ms, w.name), w.name)
        for w in last.values() if w.version is not None
    ]  # fmt: skip
