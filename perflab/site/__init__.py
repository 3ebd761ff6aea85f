"""The site's own pages: a front page, benchmarks, commits, comparisons, and their data.

Rule: reads what asv and the readiness runs stored and writes files; docs/site.md describes them.
"""
