"""Which commit made a step: of a figure between two commits, or of the published history."""
