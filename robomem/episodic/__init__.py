"""What happened, when, and for how long."""
