"""What applications asked for and were told, key by key.

Theory of operation. Every value of a workload is written once, so a value that is read names the
write that it came from. A key's *floor* is the newest version that was acknowledged while the
assumptions of the promise held: nothing older may be read afterwards. Where they did not hold, the
floor is forgotten (see `assumptions.py`), and begins again with the next acknowledgement.

Rule: remembers; judges nothing.
"""

from p2pcore.contact import point_of
from p2pcore.ids import Key, key_of

__all__ = ["KeyHistory", "Write"]

STORY_LINES = 60  # the latest of one key


class Write:
    """One store or delete (`value` None); `version` is of its receipt, if it has one."""

    __slots__ = ("begin_ns", "expires_ns", "value", "version")

    def __init__(self, value: bytes | None, begin_ns: int, expires_ns: int | None) -> None:
        self.value = value
        self.begin_ns = begin_ns
        self.expires_ns = expires_ns  # in the world's time; None: never
        self.version: bytes | None = None

    def ends(self, now_ns: int, tolerance_ns: int) -> bool:
        """True if its value may be gone by now because its time is over."""
        return self.expires_ns is not None and now_ns >= self.expires_ns - tolerance_ns

    def ended(self, begin_ns: int, tolerance_ns: int) -> bool:
        """True if a read that begins then cannot give its value: it may be on its way only."""
        return self.expires_ns is not None and self.expires_ns + tolerance_ns < begin_ns

    def __str__(self) -> str:
        return "delete" if self.value is None else f"store {self.value.decode()!r}"


class KeyHistory:
    """All that happened to one key."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.key: Key = key_of(name)
        self.point = point_of(self.key)
        self.writes: list[Write] = []
        self.by_value: dict[bytes, Write] = {}
        self.floor = b""
        self.window: str | None = None  # the change of the replica set that is not repaired yet
        self.lenient: str | None = None  # why reads are not held against the floor now
        self.leniences = 0  # how often that began
        self.story: list[str] = []

    def tell(self, now_ns: int, text: str) -> None:
        """One more line of the story."""
        self.story.append(f"{now_ns / 1e9:12.6f} {text}")
        if len(self.story) > STORY_LINES:
            del self.story[0]

    def begin(self, write: Write) -> None:
        """A store or delete has begun."""
        self.writes.append(write)
        if write.value is not None:
            self.by_value[write.value] = write

    def acknowledge(self, write: Write, version: bytes) -> None:
        """A write has its receipt: the floor rises."""
        write.version = version
        self.floor = max(self.floor, version)

    def held_floor(self, now_ns: int, grace_ns: int) -> bytes:
        """What its replicas have to hold: the floor, or nothing once its tombstone may be gone."""
        if now_ns < grace_ns:
            return self.floor
        for write in self.writes:  # also one that was not acknowledged may have happened
            ended_ns = write.begin_ns if write.value is None else write.expires_ns
            newest = write.version is None or write.version >= self.floor
            if newest and ended_ns is not None and now_ns >= ended_ns + grace_ns:
                return b""
        return self.floor

    def forget_floor(self) -> None:
        """Nothing that was acknowledged so far is promised any more."""
        self.floor = b""

    def excuse(self, reason: str) -> None:
        """From now on reads are not held against the floor."""
        if self.lenient is None:
            self.leniences += 1
        self.lenient = self.lenient or reason
