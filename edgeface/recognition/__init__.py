"""From frames to events: schedule, track, decide."""
