"""Search for a face among everyone of a centre, for a human: workers with all templates in memory name candidates."""
