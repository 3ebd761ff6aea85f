"""The measuring suite: asv imports every module below here, in processes that measure.

Rule: modules below import only the standard library at module level; whatever else they need is
imported inside the function that needs it. Here nothing is imported but for asv.
"""

import sys

if "asv_runner.benchmarks" in sys.modules:  # asv looks for benchmarks here, or runs one
    from benchmarks.common.asv_type import register

    register()
