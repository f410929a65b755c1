"""Where devices connect: mutual TLS, and the routes of edgeface/fleet/messages.py."""
