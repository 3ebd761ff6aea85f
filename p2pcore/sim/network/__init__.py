"""What is between processes: links, regions, connections with the manners of TCP."""
