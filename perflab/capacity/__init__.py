"""What rate on how many nodes keeps a service level, and which target is crossed when."""
