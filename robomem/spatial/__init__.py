"""Where is free, where is solid, where was I."""
