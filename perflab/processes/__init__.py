"""Real node processes, and the relay between them."""
