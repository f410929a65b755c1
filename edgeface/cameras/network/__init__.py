"""Cameras of the network: why an address gives no picture, passwords, and the types `rtsp` and `snapshot`."""
