"""The sealed, chained audit log."""
