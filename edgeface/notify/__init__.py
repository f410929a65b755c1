"""Notifications: what is sent to people, and how often; a process of its own sends it."""
