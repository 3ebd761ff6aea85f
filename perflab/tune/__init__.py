"""Finds configuration values that serve an objective, and shows on fresh seeds what they bring."""
