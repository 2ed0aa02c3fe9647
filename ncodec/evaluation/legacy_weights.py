"""Reading one weights file of PyTorch's old format without running what it says.

The classifier's weights exist only as such a file: a pickle that names the tensors, followed by
their bytes. Unpickling runs whatever a file asks for, so it is not unpickled: Python's
`pickletools` lists its instructions, and the few that build names and shapes are followed here,
nothing else. Only a file with the expected SHA-256 is looked at.
"""

from __future__ import annotations

import hashlib
import io
import pickletools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ncodec.errors import UnsafeWeightsError

MAGIC = 0x1950A86A20F9469CFC6C
_TYPES: dict[str, np.dtype[Any]] = {
    "torch FloatStorage": np.dtype("<f4"),
    "torch LongStorage": np.dtype("<i8"),
}
_CALLS = ("collections OrderedDict", "torch._utils _rebuild_tensor_v2")
_MARK = object()


class _Call(tuple[Any, ...]):
    """A call that the pickle asks for, and that is not made: name, then arguments."""


def read_legacy(path: str | Path, digest: str) -> dict[str, NDArray[Any]]:
    """All tensors by name, float32 or int64. `UnsafeWeightsError` for any other file."""
    data = Path(path).read_bytes()
    if hashlib.sha256(data).hexdigest() != digest:
        raise UnsafeWeightsError(f"{path}: not the weights file that was expected; reinstall it")
    file = io.BytesIO(data)
    magic, _, _, state, keys = (_value(file, path) for _ in range(5))
    if magic != MAGIC:
        raise UnsafeWeightsError(f"{path}: not a weights file of PyTorch's old format")
    tensors = {name: call for name, call in state.items() if isinstance(name, str)}
    types: dict[str, np.dtype[Any]] = {
        call[1][0][2]: _TYPES[call[1][0][1]] for call in tensors.values()
    }
    storages = {key: _storage(file, types[key]) for key in keys}
    return {name: _tensor(storages, *call[1]) for name, call in tensors.items()}


def _storage(file: io.BytesIO, kind: np.dtype[Any]) -> NDArray[Any]:
    """The next storage: its number of elements, then these."""
    count = int.from_bytes(file.read(8), "little")
    return np.frombuffer(file.read(count * kind.itemsize), kind)


def _tensor(
    storages: dict[str, NDArray[Any]],
    storage: tuple[Any, ...],
    offset: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    *_: object,
) -> NDArray[Any]:
    """A contiguous copy of the tensor that lies so in its storage; strides count elements."""
    whole = storages[storage[2]]
    steps = tuple(stride * whole.itemsize for stride in strides)
    place = offset * whole.itemsize
    view: NDArray[Any] = np.ndarray(shape, whole.dtype, whole, place, steps)
    return view.astype(whole.dtype.newbyteorder("="), order="C")


def _value(file: io.BytesIO, path: str | Path) -> Any:  # noqa: ANN401 - what a pickle may hold
    """The value that the pickle at this place stands for, as plain data and `_Call`s."""
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    for instruction, argument, _ in pickletools.genops(file):
        if instruction.name == "STOP":
            return stack[-1]
        if not _follow(instruction.name, argument, stack, memo):
            raise UnsafeWeightsError(f"{path}: its pickle asks for {instruction.name} {argument}")
    raise UnsafeWeightsError(f"{path}: its pickle has no end")


def _follow(name: str, argument: Any, stack: list[Any], memo: dict[int, Any]) -> bool:  # noqa: ANN401
    """Do one instruction; False for one that such a file has no need of."""
    if name in ("PROTO", "BUILD"):  # BUILD would set attributes of the dictionary of tensors.
        del stack[len(stack) - (name == "BUILD") :]
    elif name in ("LONG1", "BININT", "BININT1", "BININT2", "BINUNICODE"):
        stack.append(argument)
    elif name in _CONSTANTS:
        stack.append(_CONSTANTS[name]())
    elif name in ("BINPUT", "LONG_BINPUT"):
        memo[argument] = stack[-1]
    elif name in ("BINGET", "LONG_BINGET"):
        stack.append(memo[argument])
    elif name == "GLOBAL":
        stack.append(argument)
        return argument in _TYPES or argument in _CALLS
    elif name in ("TUPLE", "APPENDS", "SETITEMS"):
        _gather(name, stack)
    elif name in ("TUPLE1", "TUPLE2", "SETITEM", "REDUCE"):
        _combine(name, stack)
    else:
        return name == "BINPERSID"  # The tuple that describes a storage stays as it is.
    return True


_CONSTANTS: dict[str, Any] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "MARK": lambda: _MARK,
}


def _gather(name: str, stack: list[Any]) -> None:
    """Take all values above the last mark."""
    position = max(i for i, value in enumerate(stack) if value is _MARK)
    values = stack[position + 1 :]
    del stack[position:]
    if name == "TUPLE":
        stack.append(tuple(values))
    elif name == "APPENDS":
        stack[-1].extend(values)
    else:
        stack[-1].update(_pairs(values))


def _combine(name: str, stack: list[Any]) -> None:
    """Take a fixed number of values."""
    if name == "TUPLE1":
        stack.append((stack.pop(),))
        return
    second, first = stack.pop(), stack.pop()
    if name == "TUPLE2":
        stack.append((first, second))
    elif name == "SETITEM":
        stack[-1][first] = second
    else:
        stack.append({} if first == "collections OrderedDict" else _Call((first, second)))


def _pairs(values: list[Any]) -> Iterator[tuple[Any, Any]]:
    return zip(values[::2], values[1::2], strict=True)
