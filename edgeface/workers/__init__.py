"""Processes that serve alike on one machine: one that starts and replaces them, and what they share."""
