"""Live pictures and events for the page."""
