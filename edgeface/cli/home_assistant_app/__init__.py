"""Home Assistant's app: its options become a configuration, and the daemon runs with it."""
