"""What reports are made of: forms, charts, pages. Rule: reads no record."""
