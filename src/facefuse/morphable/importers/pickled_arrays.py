"""NumPy arrays and plain containers out of pickle files, without running them.

A pickle is a program; Python's reader obeys it. Here only its data are followed: containers, numbers, text and NumPy
arrays. Anything else it asks for is refused, and nothing it names is ever imported or called.
"""

from __future__ import annotations

import pickletools
from pathlib import Path
from typing import Any

import numpy as np

from facefuse.errors import AssetError

MAX_BYTES = 500_000_000

_MARK = object()
_NUMBERS = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "STRING", "BINSTRING", "SHORT_BINSTRING"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
_SIMPLE = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_ARRAY_MAKERS = {("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct")}
_SCALAR_MAKERS = {("numpy.core.multiarray", "scalar"), ("numpy._core.multiarray", "scalar")}
_BUFFER_MAKERS = {("numpy.core.numeric", "_frombuffer"), ("numpy._core.numeric", "_frombuffer")}
_NO_BYTES = {("__builtin__", "bytes"), ("builtins", "bytes")}
_PLAIN = {("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode")}
_KNOWN = _PLAIN | _NO_BYTES | _ARRAY_MAKERS | _SCALAR_MAKERS | _BUFFER_MAKERS


class _Name(tuple):  # type: ignore[type-arg]
    """A name the pickle would import: module and attribute."""


class _Pending:
    """An array or element type under construction."""

    def __init__(self, maker: str, arguments: tuple[Any, ...]) -> None:
        self.maker, self.arguments = maker, arguments
        self.value: Any = None

    def build(self, state: Any) -> None:
        if self.maker == "dtype":
            order = state[1] if len(state) > 1 else "|"
            if any(part not in (None, 0, -1, {}) for part in state[3:8]):
                raise ValueError("an element type with fields")
            code = _text(self.arguments[0])
            self.value = np.dtype(f"{_text(order)}{code}" if _text(order) in ("<", ">") else code)
        else:
            _, shape, kind, fortran, content = state
            element = _element_type(kind)
            content = content.encode("latin1") if isinstance(content, str) else content
            if not isinstance(content, (bytes, bytearray)):
                raise ValueError("an array of objects")
            flat = np.frombuffer(bytes(content), dtype=element)
            self.value = flat.reshape(tuple(int(n) for n in shape), order="F" if fortran else "C")


def read_pickled_arrays(path: str | Path) -> Any:
    """Read the arrays of a pickle file.

    Returns
    -------
    Any
        The pickled value, made of dict, list, tuple, numbers, text and arrays.

    Raises
    ------
    AssetError
        If the file is missing, too large, damaged, or holds anything but data.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise AssetError(f"{path}: {path.stat().st_size} bytes, more than the {MAX_BYTES} that are read")
        content = path.read_bytes()
    except OSError as error:
        raise AssetError(f"{path}: cannot be read ({error.strerror or error})") from error
    try:
        return _finished(_follow(content))
    except AssetError:
        raise
    except Exception as error:  # a damaged file may provoke anything; it is only ever data here
        raise AssetError(f"{path}: not a pickle of plain arrays ({error})") from error


def _follow(content: bytes) -> Any:
    """Walk through the opcodes; only those that put data together are known."""
    stack: list[Any] = []
    memory: dict[Any, Any] = {}

    def above_mark() -> list[Any]:
        at = len(stack) - 1 - next(i for i, item in enumerate(reversed(stack)) if item is _MARK)
        items = stack[at + 1 :]
        del stack[at:]
        return items

    for opcode, argument, _ in pickletools.genops(content):
        name = opcode.name
        if name in _NUMBERS:
            stack.append(argument)
        elif name in _SIMPLE:
            stack.append(_SIMPLE[name])
        elif name == "MARK":
            stack.append(_MARK)
        elif name in ("EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE"):
            stack.append({"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}[name]())
        elif name in ("TUPLE", "LIST"):
            stack.append((tuple if name == "TUPLE" else list)(above_mark()))
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            count = int(name[-1])
            stack[-count:] = [tuple(stack[-count:])]
        elif name in ("SETITEM", "SETITEMS", "DICT"):
            items = above_mark() if name != "SETITEM" else [stack.pop(-2), stack.pop()]
            if name == "DICT":
                stack.append({})
            stack[-1].update(zip(items[::2], items[1::2], strict=True))
        elif name == "APPEND":
            item = stack.pop()
            stack[-1].append(item)
        elif name == "APPENDS":
            items = above_mark()
            stack[-1].extend(items)
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            memory[argument] = stack[-1]
        elif name == "MEMOIZE":
            memory[len(memory)] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(memory[argument])
        elif name == "GLOBAL":
            stack.append(_name(*str(argument).split(" ", 1)))
        elif name == "STACK_GLOBAL":
            attribute, module = stack.pop(), stack.pop()
            stack.append(_name(module, attribute))
        elif name == "REDUCE":
            arguments, callee = stack.pop(), stack.pop()
            stack.append(_made(callee, arguments))
        elif name == "BUILD":
            state = stack.pop()
            if not isinstance(stack[-1], _Pending):
                raise ValueError("it sets the state of an object")
            stack[-1].build(state)
        elif name == "STOP":
            return stack.pop()
        elif name not in ("PROTO", "FRAME"):
            raise ValueError(f"it uses {name}")
    raise ValueError("it ends too early")


def _name(module: str, attribute: str) -> _Name:
    if (module, attribute) not in _KNOWN:
        raise ValueError(f"it asks for {module}.{attribute}")
    return _Name((module, attribute))


def _made(callee: Any, arguments: Any) -> Any:
    """What the few known calls would make."""
    if not isinstance(callee, _Name):
        raise ValueError("it calls something unknown")
    if tuple(callee) in _ARRAY_MAKERS:
        return _Pending("array", arguments)
    if tuple(callee) in _SCALAR_MAKERS:
        return np.frombuffer(_bytes(arguments[1]), dtype=_element_type(arguments[0]))[0]
    if tuple(callee) in _NO_BYTES and not arguments:
        return b""
    if tuple(callee) in _BUFFER_MAKERS:
        content, kind, shape, order = arguments
        return np.frombuffer(_bytes(content), dtype=_element_type(kind)).reshape(
            shape, order="F" if _text(order) == "F" else "C"
        )
    if tuple(callee) == ("numpy", "dtype"):
        return _Pending("dtype", arguments)
    if tuple(callee) == ("_codecs", "encode"):
        return str(arguments[0]).encode("latin1")
    raise ValueError(f"it calls {'.'.join(callee)}")


def _element_type(kind: Any) -> np.dtype[Any]:
    if not isinstance(kind, _Pending) or kind.maker != "dtype":
        raise ValueError("an array without element type")
    element = kind.value if kind.value is not None else np.dtype(_text(kind.arguments[0]))
    if element.kind not in "uifb":
        raise ValueError(f"an array of {element}")
    return element


def _bytes(content: Any) -> bytes:
    return content.encode("latin1") if isinstance(content, str) else bytes(content)


def _text(content: Any) -> str:
    return content.decode("latin1") if isinstance(content, bytes) else str(content)


def _finished(value: Any) -> Any:
    """The value with every array in its final form and byte strings as text keys."""
    if isinstance(value, _Pending):
        if value.value is None:
            raise ValueError("an array without content")
        return value.value
    if isinstance(value, dict):
        return {_text(k) if isinstance(k, bytes) else k: _finished(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_finished(item) for item in value)
    if isinstance(value, _Name) or value is _MARK:
        raise ValueError("a name where data are expected")
    return value
