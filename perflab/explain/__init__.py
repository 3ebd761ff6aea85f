"""One page for one finding: what changed, since when, why, and what else moved."""
