"""The centre at the broker: events of devices come in, change numbers go out."""
