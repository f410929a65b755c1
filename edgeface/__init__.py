"""edgeface: publishes on MQTT who is at the door."""

__version__ = "0.2.0.dev0"
