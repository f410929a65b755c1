"""Reads the tensors of a PyTorch checkpoint in the format before version 1.6, without PyTorch and without pickle.

Such a file is five pickles (a magic number, a version, facts about the writer, the tensors by name, the keys of the
storages), then the storages: a count as a 64-bit integer, and the numbers (torch/serialization.py, _legacy_save).
A pickle is a program for a stack machine that may call any function of any module. The machine here knows the 28
operations of protocol 2 that such a file needs, and the few names that it knows stand for nothing but tensors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from edgeface.core.errors import ModelError
from edgeface.core.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

MAX_TENSORS = 1_000
MAX_DIMENSIONS = 5
MAX_OBJECTS = 20_000
"""What a pickle may have on its stack and keep to use again; 370 tensors keep 4,000."""

_MAGIC, _VERSION, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001, 2
_MISFIT = "its operations do not fit together"


class _BrokenError(Exception):
    """Why the file is not a checkpoint of this form."""


# Not named tuples: a tuple that a file makes must not equal one of these.
@dataclass(frozen=True, slots=True)
class _Name:
    """What a file refers to by module and name."""

    module: str
    name: str


@dataclass(frozen=True, slots=True)
class _Storage:
    """Numbers that follow the pickles."""

    key: str
    kind: _Name
    count: int


@dataclass(frozen=True, slots=True)
class _Tensor:
    """Where in a storage the numbers of a tensor are."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]


_DICT = _Name("collections", "OrderedDict")
_TENSOR = _Name("torch._utils", "_rebuild_tensor_v2")
_KINDS: dict[_Name, np.dtype[Any]] = {
    _Name("torch", "FloatStorage"): np.dtype("<f4"),
    _Name("torch", "LongStorage"): np.dtype("<i8"),
}
_KNOWN = frozenset({_DICT, _TENSOR, *_KINDS})


def read_checkpoint(data: bytes, name: str) -> dict[str, NDArray[Any]]:
    """The tensors of a checkpoint, by name, as read-only arrays of float32 or int64.

    Raises ModelError, which begins with `name`, for anything other than a dictionary of contiguous tensors, and for
    bytes that are missing or left over.
    """
    try:
        return _read(_Bytes(data))
    except _BrokenError as error:
        raise ModelError(f"{name}: not a PyTorch checkpoint that edgeface reads: {error}") from error


def _read(source: _Bytes) -> dict[str, NDArray[Any]]:
    if _run(source) != _MAGIC or _run(source) != _VERSION:
        raise _BrokenError("it begins differently")
    # Facts about the writer: the sizes of its integers, which the format does not depend on.
    _run(source)
    tensors = _checked(_run(source))
    storages = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
    keys = _run(source)
    if not (isinstance(keys, list) and all(isinstance(key, str) for key in keys) and sorted(keys) == sorted(storages)):
        raise _BrokenError("its storages are not those of its tensors")
    numbers = {key: _numbers(source, storages[key]) for key in keys}
    if source.left:
        raise _BrokenError(f"{source.left:,} bytes follow its end")
    return {name: _array(tensor, numbers[tensor.storage.key]) for name, tensor in tensors.items()}


def _checked(found: object) -> Mapping[str, _Tensor]:
    if not isinstance(found, dict) or len(found) > MAX_TENSORS:
        raise _BrokenError(f"not a dictionary of at most {MAX_TENSORS:,} tensors")
    storages: dict[str, _Storage] = {}
    for tensor in found.values():
        if not isinstance(tensor, _Tensor):
            raise _BrokenError("not everything in it is a tensor")
        if storages.setdefault(tensor.storage.key, tensor.storage) != tensor.storage:
            raise _BrokenError("a storage is described twice")
    return found


def _numbers(source: _Bytes, storage: _Storage) -> NDArray[Any]:
    dtype = _KINDS[storage.kind]
    if source.integer(8, signed=True) != storage.count:
        raise _BrokenError("a storage has another length than its tensors need")
    numbers: NDArray[Any] = np.frombuffer(source.take(storage.count * dtype.itemsize), dtype)
    return numbers


def _array(tensor: _Tensor, numbers: NDArray[Any]) -> NDArray[Any]:
    return numbers[tensor.offset : tensor.offset + math.prod(tensor.shape)].reshape(tensor.shape)


class _Bytes:
    """The file, read from its start."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def take(self, count: int) -> bytes:
        if count > self.left:
            raise _BrokenError("it is cut off")
        self._at += count
        return self._data[self._at - count : self._at]

    def integer(self, size: int, *, signed: bool = False) -> int:
        return int.from_bytes(self.take(size), "little", signed=signed)

    def line(self) -> str:
        text = self.text(max(0, self._data.find(b"\n", self._at) - self._at))
        if self.take(1) != b"\n":
            raise _BrokenError("it is cut off")
        return text

    def text(self, size: int) -> str:
        try:
            return self.take(size).decode()
        except UnicodeDecodeError as error:
            raise _BrokenError("a name in it is not text") from error


class _Machine:
    """The stack of one pickle, what it keeps to use again, and what its operations do; nothing is ever called."""

    def __init__(self, source: _Bytes) -> None:
        self.source = source
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._kept: dict[int, Any] = {}

    @property
    def size(self) -> int:
        return len(self._stack) + len(self._marks) + len(self._kept)

    def result(self) -> object:
        if len(self._stack) != 1 or self._marks:
            raise _BrokenError(_MISFIT)
        return self._stack[0]

    def push(self, value: object) -> None:
        self._stack.append(value)

    def pop(self) -> Any:
        if len(self._stack) <= (self._marks[-1] if self._marks else 0):
            raise _BrokenError(_MISFIT)
        return self._stack.pop()

    def mark(self) -> None:
        self._marks.append(len(self._stack))

    def since_mark(self) -> list[Any]:
        if not self._marks:
            raise _BrokenError(_MISFIT)
        start = self._marks.pop()
        items, self._stack[start:] = self._stack[start:], []
        return items

    def last(self, count: int) -> list[Any]:
        return [self.pop() for _ in range(count)][::-1]

    def top(self, kind: type) -> Any:
        value = self.pop()
        if type(value) is not kind:
            raise _BrokenError(_MISFIT)
        self.push(value)
        return value

    def keep(self, number: int) -> None:
        self._kept[number] = self.pop()
        self.push(self._kept[number])

    def again(self, number: int) -> None:
        if number not in self._kept:
            raise _BrokenError(_MISFIT)
        self.push(self._kept[number])

    def protocol(self) -> None:
        if self.source.integer(1) != _PROTOCOL:
            raise _BrokenError(f"a pickle of another protocol than {_PROTOCOL}")

    def name(self) -> None:
        found = _Name(self.source.line(), self.source.line())
        if found not in _KNOWN:
            named = printable(f"{found.module}.{found.name}")
            raise _BrokenError(f"it names {named}, and only tensors are allowed")
        self.push(found)

    def call(self) -> None:
        function, arguments = self.last(2)
        if function == _DICT and arguments == ():
            self.push({})
        elif function == _TENSOR:
            self.push(_tensor(arguments))
        else:
            raise _BrokenError("it calls what is neither a dictionary nor a tensor")

    def storage(self) -> None:
        match self.pop():
            case ("storage", _Name() as kind, str(key), str(), count, None) if kind in _KINDS and _is_count(count):
                self.push(_Storage(key, kind, count))
            case _:
                raise _BrokenError("a storage has another form")

    def put(self, items: list[Any]) -> None:
        target = self.top(dict)
        if len(items) % 2:
            raise _BrokenError(_MISFIT)
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, str) or key in target:
                raise _BrokenError("a name is not text, or appears twice")
            target[key] = value

    def append(self, items: list[Any]) -> None:
        self.top(list).extend(items)

    def drop_state(self) -> None:
        """Of the dictionary of tensors: the versions of the network's parts."""
        self.pop()
        self.top(dict)


def _tensor(arguments: object) -> _Tensor:
    """A tensor whose numbers follow one another in a storage, and are all in it."""
    match arguments:
        case (_Storage() as storage, offset, shape, strides, bool(), _) if _is_count(offset) and _is_shape(shape):
            if strides != tuple(math.prod(shape[n + 1 :]) for n in range(len(shape))):
                raise _BrokenError("a tensor is not contiguous")
            if offset + math.prod(shape) > storage.count:
                raise _BrokenError("a tensor is larger than its storage")
            return _Tensor(storage, offset, shape)
        case _:
            raise _BrokenError("a tensor has another form")


def _is_count(value: object) -> TypeGuard[int]:
    return type(value) is int and value >= 0


def _is_shape(value: object) -> TypeGuard[tuple[int, ...]]:
    return isinstance(value, tuple) and len(value) <= MAX_DIMENSIONS and all(map(_is_count, value))


# By the byte that stands for it (Lib/pickletools.py describes them all).
_OPERATIONS: dict[bytes, Callable[[_Machine], None]] = {
    b"\x80": _Machine.protocol,
    b"N": lambda machine: machine.push(None),
    b"\x88": lambda machine: machine.push(True),
    b"\x89": lambda machine: machine.push(False),
    b"K": lambda machine: machine.push(machine.source.integer(1)),
    b"M": lambda machine: machine.push(machine.source.integer(2)),
    b"J": lambda machine: machine.push(machine.source.integer(4, signed=True)),
    b"\x8a": lambda machine: machine.push(machine.source.integer(machine.source.integer(1), signed=True)),
    b"X": lambda machine: machine.push(machine.source.text(machine.source.integer(4))),
    b")": lambda machine: machine.push(()),
    b"\x85": lambda machine: machine.push(tuple(machine.last(1))),
    b"\x86": lambda machine: machine.push(tuple(machine.last(2))),
    b"\x87": lambda machine: machine.push(tuple(machine.last(3))),
    b"(": _Machine.mark,
    b"t": lambda machine: machine.push(tuple(machine.since_mark())),
    b"]": lambda machine: machine.push([]),
    b"a": lambda machine: machine.append(machine.last(1)),
    b"e": lambda machine: machine.append(machine.since_mark()),
    b"}": lambda machine: machine.push({}),
    b"s": lambda machine: machine.put(machine.last(2)),
    b"u": lambda machine: machine.put(machine.since_mark()),
    b"q": lambda machine: machine.keep(machine.source.integer(1)),
    b"r": lambda machine: machine.keep(machine.source.integer(4)),
    b"h": lambda machine: machine.again(machine.source.integer(1)),
    b"j": lambda machine: machine.again(machine.source.integer(4)),
    b"c": _Machine.name,
    b"R": _Machine.call,
    b"Q": _Machine.storage,
    b"b": _Machine.drop_state,
}


def _run(source: _Bytes) -> object:
    """What the next pickle describes."""
    machine = _Machine(source)
    while (code := source.take(1)) != b".":
        if code not in _OPERATIONS:
            raise _BrokenError(f"operation {code!r} has no use in one")
        _OPERATIONS[code](machine)
        if machine.size > MAX_OBJECTS:
            raise _BrokenError("too many objects")
    return machine.result()
