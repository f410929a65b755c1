"""What unknowns are compared by in tests: cosines that do not depend on their number."""

from collections.abc import Callable

from edgeface.gallery.unknowns import Likeness


def fixed(same: float, alike: float = 2.0) -> Callable[[int], Likeness]:
    """The same cosines for any number of unknowns; none are proposed for a merge unless `alike` is given."""
    return lambda _: Likeness(same, alike)
