"""The local page, the REST interface and the metrics: one thread named "web" that observes and delays nothing."""
