"""What to keep under a hard budget: strength, merging, and the choice of what goes."""
