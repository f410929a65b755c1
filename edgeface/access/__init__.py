"""Who may pass which door, and the signed grants for it."""
