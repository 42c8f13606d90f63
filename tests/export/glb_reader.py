"""A strict reader of GLB files, written from the specification, for checking what the package writes."""

from __future__ import annotations

import json
import struct

import numpy as np

COMPONENTS = {5121: "<u1", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}


class Glb:
    """A parsed file; every rule that fails raises AssertionError."""

    def __init__(self, data: bytes) -> None:
        magic, version, length = struct.unpack_from("<4sII", data)
        assert (magic, version, length) == (b"glTF", 2, len(data))
        size, kind = struct.unpack_from("<I4s", data, 12)
        assert kind == b"JSON"
        assert size % 4 == 0
        self.json = json.loads(data[20 : 20 + size])
        start = 20 + size
        binary, kind = struct.unpack_from("<I4s", data, start)
        assert kind == b"BIN\0"
        assert binary % 4 == 0
        assert start + 8 + binary == len(data)
        self.binary = data[start + 8 :]
        (buffer,) = self.json["buffers"]
        assert buffer["byteLength"] <= len(self.binary) <= buffer["byteLength"] + 3
        end = 0
        for view in self.json["bufferViews"]:
            assert view["byteOffset"] % 4 == 0
            assert view["byteOffset"] >= end, "views overlap"
            end = view["byteOffset"] + view["byteLength"]
        assert end <= buffer["byteLength"]
        for index in range(len(self.json["accessors"])):
            self.array(index)

    def array(self, index: int) -> np.ndarray:
        """Read an accessor: (count, width), or (count,) for scalars; its stated bounds are checked."""
        accessor = self.json["accessors"][index]
        count, width = accessor["count"], WIDTHS[accessor["type"]]
        assert count >= 1
        if "bufferView" in accessor:
            values = self._read(accessor, count, width)
        else:
            values = np.zeros((count, width), COMPONENTS[accessor["componentType"]])
        if "sparse" in accessor:
            sparse = accessor["sparse"]
            assert 1 <= sparse["count"] <= count
            where = self._read(sparse["indices"], sparse["count"], 1)[:, 0].astype(int)
            assert (np.diff(where) > 0).all(), "sparse indices must rise"
            assert where[-1] < count
            values = values.copy()
            values[where] = self._read(
                sparse["values"] | {"componentType": accessor["componentType"]}, sparse["count"], width
            )
        assert np.isfinite(values).all()
        if "min" in accessor:
            assert accessor["min"] == values.min(0).tolist()
            assert accessor["max"] == values.max(0).tolist()
        return values[:, 0] if width == 1 else values

    def view_bytes(self, index: int) -> bytes:
        view = self.json["bufferViews"][index]
        return self.binary[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]

    def _read(self, place: dict, count: int, width: int) -> np.ndarray:
        view = self.json["bufferViews"][place["bufferView"]]
        kind = np.dtype(COMPONENTS[place["componentType"]])
        offset = place.get("byteOffset", 0)
        assert offset % kind.itemsize == 0
        assert view.get("byteStride", kind.itemsize * width) == kind.itemsize * width
        assert offset + count * width * kind.itemsize <= view["byteLength"], "accessor beyond its view"
        start = view["byteOffset"] + offset
        return np.frombuffer(self.binary, kind, count * width, start).reshape(count, width)
