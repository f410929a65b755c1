"""`edgeface mqtt`: what the broker retains."""
