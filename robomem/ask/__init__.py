"""Words to a typed query, hits to a sentence."""
