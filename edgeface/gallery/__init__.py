"""Enrolled people and unknowns in SQLite, and the snapshot that faces are matched with."""
