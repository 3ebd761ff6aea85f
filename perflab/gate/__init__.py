"""Measuring two commits beside each other; and how often the answer is wrong."""
