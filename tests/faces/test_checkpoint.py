"""Checkpoints are read without PyTorch, and nothing in them runs."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeface.core.errors import ModelError
from edgeface.faces.models.checkpoint import MAX_OBJECTS, MAX_TENSORS, read_checkpoint
from tests.support.checkpoints import MAGIC, head, integer, saved, storages, tensor, text

ONE = {"a": np.ones((2, 2), np.float32)}
START = head() + b"\x80\x02ccollections\nOrderedDict\n)R("


def described(*tensors: bytes) -> bytes:
    """A checkpoint with these operations in the place of its tensors, and one storage of four numbers."""
    named = b"".join(text(f"t{number}") + one for number, one in enumerate(tensors))
    return START + named + b"u." + storages([np.ones(4, np.float32)])


def test_a_tensor_is_read_as_it_was_written() -> None:
    arrays = {"a": np.arange(12, dtype=np.float32).reshape(3, 4), "b.c": np.array([7.5], np.float32)}
    read = read_checkpoint(saved(arrays), "w.pth")
    assert read.keys() == arrays.keys()
    assert all(np.array_equal(read[name], array) for name, array in arrays.items())
    assert not any(array.flags.writeable for array in read.values())


def test_two_tensors_may_share_a_storage() -> None:
    read = read_checkpoint(described(tensor("0", 4, (2, 2)), tensor("0", 4, (3,), offset=1)), "w.pth")
    assert [array.shape for array in read.values()] == [(2, 2), (3,)]


class _Evil:
    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.system, ("touch harm",)


EVIL = pickle.dumps(_Evil(), protocol=2)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (EVIL, "it names posix.system, and only tensors are allowed"),
        (pickle.dumps(MAGIC, protocol=2) + EVIL, "it names posix.system"),
        (head() + EVIL, "it names posix.system"),
        (START + b"u." + EVIL, "it names posix.system"),
        (saved(ONE).replace(b"FloatStorage", b"HalfStorage", 1), "it names torch.HalfStorage"),
        (saved(ONE).replace(b"ctorch._utils\n_rebuild_tensor_v2", b"cbuiltins\nexec", 1), "it names builtins.exec"),
        (saved(ONE).replace(b"ccollections\nOrderedDict", b"ccollections\nnamedtuple", 1), "namedtuple"),
        (START + text("a") + b"ctorch\nFloatStorage\n)R" + b"u.", "neither a dictionary nor a tensor"),
        (START + text("a") + b"ccollections\nOrderedDict\n" + integer(1) + b"\x85Ru.", "neither a dictionary"),
        (START + text("a") + b"ccollections\nOrderedDict\n)\x81u.", r"operation b'\x81' has no use in one"),
        (START + text("a") + integer(3) + b"u.", "not everything in it is a tensor"),
        (START + integer(3) + tensor("0", 4, (4,)) + b"u.", "a name is not text"),
        (described(tensor("0", 4, (5,))), "a tensor is larger than its storage"),
        (described(tensor("0", 4, (2,), offset=3)), "a tensor is larger than its storage"),
        (described(tensor("0", 4, (2, 2), (1, 2))), "a tensor is not contiguous"),
        (described(tensor("0", 4, (2, 2), (0, 0))), "a tensor is not contiguous"),
        (described(tensor("0", 4, (2,), offset=-1)), "a tensor has another form"),
        (described(tensor("0", 4, (-2,))), "a tensor has another form"),
        (described(tensor("0", 4, (1,) * 9)), "a tensor has another form"),
        (described(tensor("0", -4, (2,))), "a storage has another form"),
        (described(tensor("0", 1 << 60, (2,))), "a storage has another length"),
        (described(tensor("0", 4, (2,)), tensor("0", 5, (2,))), "a storage is described twice"),
        (described(tensor("1", 4, (2,))), "its storages are not those of its tensors"),
        (described(*[tensor("0", 4, (2,))] * (MAX_TENSORS + 1)), "not a dictionary of at most 1,000 tensors"),
        (head() + b"\x80\x02" + b"N" * (MAX_OBJECTS + 2) + b".", "too many objects"),
        (head() + b"\x80\x02" + b"(" * (MAX_OBJECTS + 2) + b".", "too many objects"),
        (head() + b"\x80\x02.", "do not fit together"),
        (head() + b"\x80\x02h\x07.", "do not fit together"),
        (head() + b"\x80\x02t.", "do not fit together"),
        (head() + b"\x80\x02X\xff\xff\xff\x7fa.", "it is cut off"),
        (head() + b"\x80\x02ccollections", "it is cut off"),
        (head() + b"\x80\x04N.", "another protocol than 2"),
        (saved(ONE) + b"x", "1 bytes follow its end"),
        (b"", "it is cut off"),
        (b"PK\x03\x04 the format since version 1.6", "has no use in one"),
    ],
)
def test_what_is_not_a_checkpoint_is_refused_in_one_line_and_nothing_in_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError) as caught:
        read_checkpoint(data, "w.pth")
    line = str(caught.value)
    assert line.startswith("w.pth: not a PyTorch checkpoint that edgeface reads: ")
    assert says in line
    assert "\n" not in line
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_that_is_cut_anywhere_is_refused() -> None:
    data = saved(ONE)
    for end in range(len(data)):
        with pytest.raises(ModelError):
            read_checkpoint(data[:end], "w.pth")


def test_a_changed_byte_is_refused_or_gives_tensors_of_the_same_form() -> None:
    data = saved(ONE)
    for place in range(len(data)):
        for change in (0x01, 0x20, 0x80, 0xFF):
            changed = data[:place] + bytes([data[place] ^ change]) + data[place + 1 :]
            try:
                read = read_checkpoint(changed, "w.pth")
            except ModelError:
                continue
            assert all(array.dtype in (np.float32, np.int64) and array.size <= 4 for array in read.values())
