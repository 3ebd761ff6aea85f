"""What would the figures and the tests notice? `python -m perflab mutate`."""
