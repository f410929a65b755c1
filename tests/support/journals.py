"""What a journal holds, for tests."""

from edgeface.journal.journal import Journal


def counts(journal: Journal) -> tuple[int, int]:
    """Number of rows, and of unpublished ones; zeros if the file cannot be read."""
    query = "SELECT count(*), count(*) FILTER (WHERE said = 0) FROM rows"
    total, unpublished = journal.attempt(lambda db, _: db.execute(query).fetchone(), otherwise=(0, 0))
    return int(total), int(unpublished)
