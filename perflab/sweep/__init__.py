"""The same question for many seeds, on many processors or machines: `python -m perflab sweep`."""
