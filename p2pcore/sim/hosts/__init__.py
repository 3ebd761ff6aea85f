"""Processes that run the core's machines: their clocks, and what users hold of them."""
