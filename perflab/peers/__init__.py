"""What this core does beside the least that any could."""
