"""The centre of a fleet: people, order, keys and receipts on PostgreSQL; devices decide alone."""
