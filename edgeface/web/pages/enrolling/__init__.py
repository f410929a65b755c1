"""The pages of self-enrollment: a link for one person, and what has come by it."""
