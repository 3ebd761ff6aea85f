"""What a partner has given us for the time that it took, and whether honest ones give so little.

Theory of operation. A pull has no number of steps that would fit all: a million records take
thousands of questions. So it is bounded by what it brings. Time that was spent waiting for the
partner's answers must be paid for by what they held, at rates far below those of any line that is
of use; pages must name what concerns us; and what a partner lists, it must be able to give. As what
we hold is bounded, and each record is listed and taken once, the steps, bytes and time are as well.

Rule: counts; asks nothing and ends nothing.
"""

__all__ = ["PullProgress"]

GRACE_NS = 60_000_000_000  # of waiting before anything must have come
RECORD_NS = 20_000_000  # of waiting, paid for by a record: 50 a second
LISTED_NS = 1_000_000  # ... by an entry that we hold or want: a page a second
BYTE_NS = 1_000  # ... by a byte: 1 MB/s
BARREN_PAGES = 256  # in a row that name nothing of ours: a quarter of a million records
EMPTY_ENTRIES = 1_000  # listed and not given, beyond as many as were given: they end meanwhile


class PullProgress:
    """The account of one partner in one session."""

    __slots__ = (
        "_asked_ns",
        "_barren_pages",
        "_empty",
        "_given",
        "_in_flight",
        "_paid_ns",
        "_waited_ns",
    )

    def __init__(self) -> None:
        self._asked_ns = 0
        self._in_flight = 0
        self._waited_ns = 0
        self._paid_ns = GRACE_NS
        self._barren_pages = 0
        self._given = 0
        self._empty = 0

    def asked(self, mono_ns: int) -> None:
        """A question is on its way. Of several, the time is counted once."""
        if not self._in_flight:
            self._asked_ns = mono_ns
        self._in_flight += 1

    def answered(self, mono_ns: int) -> None:
        """Its answer is here."""
        self._waited_ns += mono_ns - self._asked_ns
        self._asked_ns = mono_ns
        self._in_flight -= 1

    def listed(self, useful: int) -> None:
        """A page came, with so many entries that we hold or want."""
        self._paid_ns += useful * LISTED_NS
        self._barren_pages = 0 if useful else self._barren_pages + 1

    def given(self, size_bytes: int) -> None:
        """A record came."""
        self._given += 1
        self._paid_ns += RECORD_NS + size_bytes * BYTE_NS

    def not_given(self) -> None:
        """A record was listed, and is not there."""
        self._empty += 1

    @property
    def objection(self) -> str | None:
        """Why this is no honest partner, in words; None while it may be one."""
        if self._waited_ns > self._paid_ns:
            return f"it gave {self._given} records for {self._waited_ns / 1e9:.0f} s of waiting"
        if self._barren_pages > BARREN_PAGES:
            return f"{self._barren_pages} pages named nothing that was asked for"
        if self._empty > EMPTY_ENTRIES + self._given:
            return (
                f"it gave {self._given} of {self._given + self._empty} records that it has listed"
            )
        return None
