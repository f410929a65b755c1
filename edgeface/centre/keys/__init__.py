"""The keys of the centre: one per person in the keyring, and one per site that signs people."""
