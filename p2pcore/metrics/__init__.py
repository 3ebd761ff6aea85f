"""What a node or a client tells monitoring systems: names, figures, and where they are read."""
