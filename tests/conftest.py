"""What every test shares: how Hypothesis works here."""

from hypothesis import settings

# The same examples in every run: a red check is about the change, not about the dice. To look
# further, e.g. at night: pytest --hypothesis-profile=explore.
settings.register_profile("house", deadline=None, derandomize=True, database=None)
settings.register_profile("explore", deadline=None, max_examples=2000, print_blob=True)
settings.load_profile("house")
