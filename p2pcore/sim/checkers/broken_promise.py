"""What a checker says when something happened that must never happen."""

__all__ = ["BrokenPromiseError"]


class BrokenPromiseError(AssertionError):
    """A promise was broken, or a bound exceeded: a bug of the core (or of a checker).

    Args:
        checker: which promise, in one or two words; shrinking a run keeps to it.
        text: what happened.
        story: what happened before to the key or node in question, one line for each event.
    """

    def __init__(self, checker: str, text: str, story: list[str] | None = None) -> None:
        super().__init__(f"{checker}: {text}")
        self.checker = checker
        self.text = text
        self.story = story or []
