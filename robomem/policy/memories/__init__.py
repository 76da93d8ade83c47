"""Memories that a policy is trained with, behind one small protocol (`memory`)."""
