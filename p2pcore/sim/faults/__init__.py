"""What goes wrong in a world: the kinds, plans drawn by chance, and how they are done."""
