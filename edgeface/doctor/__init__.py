"""Checks this machine: what does not work, and how to fix it."""
