"""Fleet: what a device and the centre share, and the device's part; nothing here is on the way of a frame."""
