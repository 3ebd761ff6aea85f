"""Breaking real swarms, and checking what clients saw against the promise."""
