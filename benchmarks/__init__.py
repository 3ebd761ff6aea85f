"""The measuring suite: asv imports every module below here, in processes that measure.

Rule: nothing is imported here, and modules below import only the standard library at module
level; whatever else they need is imported inside the function that needs it.
"""
