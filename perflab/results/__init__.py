"""What asv and git have on disk: results, suite, commits, configuration."""
