"""edgeface: publishes on MQTT who is at the door."""

__version__ = "0.1.0"
