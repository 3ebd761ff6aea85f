"""Whole networks in virtual time."""
