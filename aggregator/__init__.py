"""How to combine many answers into one, in time."""
