"""edgeface: who is at the door, said on MQTT."""

__version__ = "0.1.0"
