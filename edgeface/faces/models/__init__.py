"""Model files that a user brings: which are known, how they are read, and where they are kept."""
