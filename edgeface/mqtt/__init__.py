"""The connection to the broker: queues, topics, publisher."""
