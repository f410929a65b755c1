"""The page Today: who came, with what can be done about strangers, and the question about pictures."""
