"""The suite over a range of commits, and the seconds it may take."""
