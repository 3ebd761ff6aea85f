"""Where a node keeps its share of the records."""
