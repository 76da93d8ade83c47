"""What is let into the memory."""
