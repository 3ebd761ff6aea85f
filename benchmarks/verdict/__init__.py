"""Judges files: results, pages and reports. Rule: imports neither the rig nor p2pcore."""
