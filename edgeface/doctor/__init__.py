"""Checks of this machine: what does not work, and what to do about it."""
