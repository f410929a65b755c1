"""`edgeface liveness`: a trial of the liveness check at one's own door."""
