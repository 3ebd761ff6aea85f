"""The hot path's functions, each alone: what `python -m perflab micro` and the suite time.

A module per subject holds its micro benchmarks; `catalogue` lists them all, `script` is the pyperf
script that runs them.
"""
