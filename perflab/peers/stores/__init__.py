"""Stores of others that this machine can run: a file for each, and what starts and drives them."""
