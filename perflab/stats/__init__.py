"""Arithmetic on samples: bounds, slopes, thresholds, the scalability law."""
