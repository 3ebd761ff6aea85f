"""Offering a network a load on schedule, and keeping what became of it."""
