"""What an operation and a node cost, by the size of the network."""
