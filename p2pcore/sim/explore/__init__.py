"""Scenarios drawn from seeds: played, swept over, made smaller, grown large."""
