"""Is a candidate as good as the baseline that runs now? Both under one load, judged as it comes."""
