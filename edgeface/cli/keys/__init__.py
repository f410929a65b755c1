"""`edgeface keys`: the keys of this device, the owner key, and the list of all device keys."""
