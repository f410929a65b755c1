"""The sealed, chained audit trail."""
