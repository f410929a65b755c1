"""The embedders that the centre knows, and templates of a new one from sealed crops."""
