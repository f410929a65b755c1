"""The people of a gallery in memory that processes share: one writes it, all map it read-only, and no file has it.

After 8 bytes of length comes a header in JSON, with the people in the order of the rows and the place of each array;
then come the arrays: the matrix, what its search needs, and what corrections deny.
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeface.gallery.negatives import Denials
from edgeface.gallery.search import Bounded, Exact
from edgeface.gallery.snapshot import GallerySnapshot, Person

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Array = NDArray[Any]

_LENGTH = struct.Struct("<Q")
_ALIGNED = 64
# memfd_create(2), fcntl(2): no one can change or resize it any more, not even the writer.
_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


def share(snapshot: GallerySnapshot) -> int:
    """Put a snapshot into sealed anonymous memory; gives a file descriptor, which the caller closes.

    Of each person it has the id, the name, and what decides a match. Raises OSError if there is no memory.
    """
    arrays = _arrays(snapshot)
    places, end = {}, 0
    for name, array in arrays.items():
        places[name] = (array.dtype.str, array.shape, end)
        end += -(-array.nbytes // _ALIGNED) * _ALIGNED
    people = [(one.id, one.name, one.ignored, one.look_alikes) for one in snapshot.people]
    header = json.dumps({"people": people, "left_out": snapshot.left_out, "arrays": places}).encode()
    start = _start(len(header))
    handle = os.memfd_create("edgeface-people", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        _put(handle, _LENGTH.pack(len(header)) + header, 0)
        for name, array in arrays.items():
            _put(handle, np.ascontiguousarray(array).reshape(-1).view(np.uint8).data, start + places[name][2])
        # An array may be empty, and a map must not end before the place of the last.
        os.truncate(handle, start + end)
        fcntl.fcntl(handle, fcntl.F_ADD_SEALS, _SEALS)
    except BaseException:
        os.close(handle)
        raise
    return handle


def mapped(handle: int) -> GallerySnapshot:
    """The snapshot that `share` has put there; its arrays are that memory, for as long as any of them is in use."""
    memory = mmap.mmap(handle, 0, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ)
    (length,) = _LENGTH.unpack_from(memory)
    header: dict[str, Any] = json.loads(memory[_LENGTH.size : _LENGTH.size + length])
    start = _start(length)
    arrays = {
        name: np.frombuffer(memory, kind, int(np.prod(shape, dtype=np.int64)), start + at).reshape(shape)
        for name, (kind, shape, at) in header["arrays"].items()
    }
    people = tuple(
        Person(id_, name, ignored, 0.0, 1, 0, look_alikes=tuple(alike))
        for id_, name, ignored, alike in header["people"]
    )
    denials = Denials(arrays["owners"], arrays["leads"]) if "owners" in arrays else None
    matrix = arrays["matrix"]
    search = Bounded(matrix, arrays["axes"], arrays["along"], arrays["off"]) if "axes" in arrays else Exact(matrix)
    return GallerySnapshot(people, matrix, header["left_out"], denials, made=search)


def _arrays(snapshot: GallerySnapshot) -> Mapping[str, Array]:
    arrays: dict[str, Array] = {"matrix": snapshot.matrix}
    if isinstance(snapshot.search, Bounded):
        arrays |= {"axes": snapshot.search.axes, "along": snapshot.search.along, "off": snapshot.search.off}
    if snapshot.denials is not None:
        arrays |= {"owners": snapshot.denials.owners, "leads": snapshot.denials.leads}
    return arrays


def _start(header: int) -> int:
    """Where the arrays begin."""
    return -(-(_LENGTH.size + header) // _ALIGNED) * _ALIGNED


def _put(handle: int, data: bytes | memoryview, at: int) -> None:
    left = memoryview(data)
    while left:
        count = os.pwrite(handle, left, at)
        left, at = left[count:], at + count
