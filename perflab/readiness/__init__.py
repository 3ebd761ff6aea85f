"""The fixed set of runs that says whether the core is ready."""
