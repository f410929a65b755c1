"""The commands of a fleet: those of its centre, and those of a device."""
