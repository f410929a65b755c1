"""Who may pass which door, and the signed grants that say so."""
