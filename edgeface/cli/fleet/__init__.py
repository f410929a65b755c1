"""`edgeface fleet`."""
