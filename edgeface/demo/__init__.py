"""The demo: the whole daemon on a clip, with a real broker."""
