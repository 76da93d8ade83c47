"""Pictures of a memory."""
