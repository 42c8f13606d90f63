"""Numeric arrays of MATLAB 5 files, read in plain Python (the compiled readers at hand crash on damaged files)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]

Order = Literal["<", ">"]

_MAX_ARRAY_BYTES = 64_000_000
_MATRIX, _COMPRESSED = 14, 15
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_NUMERIC_CLASSES = range(6, 16)
_HEADER_BYTES = 128
_LARGEST_DIMENSION = 100_000


def read_mat5(content: bytes) -> dict[str, FloatArray]:
    """Read the real numeric arrays of a MATLAB 5 file; variables of other classes are passed over.

    Parameters
    ----------
    content : bytes
        A file saved by MATLAB up to version 7 (not the HDF5 format of 7.3).

    Returns
    -------
    dict of float arrays
        By variable name.

    Raises
    ------
    ValueError
        If it is another kind of file, cut short or damaged, or an array is larger than 64 MB.
    """
    orders: dict[bytes, Order] = {b"IM": "<", b"MI": ">"}
    order = orders.get(content[_HEADER_BYTES - 2 : _HEADER_BYTES])
    if order is None or not content.startswith(b"MATLAB 5.0"):
        raise ValueError("not a MATLAB 5 file (save it with -v7)")
    arrays = {}
    for kind, data in _elements(content[_HEADER_BYTES:], order):
        if kind == _COMPRESSED:
            (kind, data), *_ = _elements(_inflate(data), order)
        if kind == _MATRIX:
            found = _matrix(data, order)
            if found is not None:
                arrays[found[0]] = found[1]
    return arrays


def _elements(content: bytes, order: Order) -> Iterator[tuple[int, bytes]]:
    """Tagged elements one after the other; a tag of four bytes holds up to four bytes of data in itself."""
    at = 0
    while at < len(content):
        if at + 8 > len(content):
            raise ValueError("cut short within a tag")
        kind, size = struct.unpack_from(f"{order}2I", content, at)
        if kind >> 16:
            kind, size, start, stop = kind & 0xFFFF, kind >> 16, at + 4, at + 8
            if size > 4:
                raise ValueError(f"a small element of {size} bytes")
        else:
            start = at + 8
            # compressed elements follow each other without padding, others begin at multiples of eight
            stop = start + (size if kind == _COMPRESSED else -(-size // 8) * 8)
        if start + size > len(content):
            raise ValueError("cut short within an element")
        yield kind, content[start : start + size]
        at = stop


def _inflate(data: bytes) -> bytes:
    stream = zlib.decompressobj()
    try:
        content = stream.decompress(data, _MAX_ARRAY_BYTES)
    except zlib.error as error:
        raise ValueError(f"damaged compression ({error})") from error
    if not stream.eof or not content:
        raise ValueError("compressed data are cut short or too large")
    return content


def _matrix(data: bytes, order: Order) -> tuple[str, FloatArray] | None:
    """Name and values of an array, or None where it is not real and numeric."""
    parts = _elements(data, order)
    head = [next(parts, (0, b"")) for _ in range(3)]
    (_, flags), (_, sizes), (_, name) = head
    if len(flags) != 8 or len(sizes) < 8 or len(sizes) % 4:
        raise ValueError("an array without flags or dimensions")
    word = struct.unpack(f"{order}I", flags[:4])[0]
    if word & 0xFF not in _NUMERIC_CLASSES or word & 0x0800:
        return None
    kind, values = next(parts, (0, b""))
    shape = struct.unpack(f"{order}{len(sizes) // 4}i", sizes)
    if kind not in _NUMBERS or any(not 0 <= side <= _LARGEST_DIMENSION for side in shape):
        raise ValueError(f"an array of type {kind} and shape {shape}")
    if len(values) % np.dtype(_NUMBERS[kind]).itemsize:
        raise ValueError("an array with a broken number")
    numbers = np.frombuffer(values, dtype=np.dtype(_NUMBERS[kind]).newbyteorder(order)).astype(np.float64)
    if len(shape) > 8 or int(np.prod(shape, dtype=float)) != len(numbers):
        raise ValueError(f"an array of shape {shape} with {len(numbers)} values")
    return name.decode("ascii", "replace"), numbers.reshape(shape, order="F")
