"""How edgeface is installed here, and which of its parts are."""
