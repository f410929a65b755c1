"""The vault that seals data on disk, and the keys that sign grants."""
