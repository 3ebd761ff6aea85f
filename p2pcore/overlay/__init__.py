"""Who is where: the contact table, the iterative lookup, and their upkeep (Kademlia)."""
