"""The local page, the REST interface and the metrics: one thread named "web" that looks on and holds nothing up."""
