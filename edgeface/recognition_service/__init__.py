"""The recognition service: REST without cameras, by worker processes over one snapshot of the gallery in memory."""
