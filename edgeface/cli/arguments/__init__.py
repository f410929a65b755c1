"""The arguments of each command, as tables."""
