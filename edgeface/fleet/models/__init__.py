"""A device changes over to another embedder when the centre wants it and everything that it needs is there."""
