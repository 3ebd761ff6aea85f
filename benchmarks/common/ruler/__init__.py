"""What timing figures are held against: fixed pieces of work, and the arithmetic beside them."""
