"""The demo: the daemon on a supplied clip, with a real broker."""
