"""Measures, judges and publishes around asv. Rule: nothing under benchmarks/ imports it."""
