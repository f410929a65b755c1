"""Error rates on a folder of photos."""
