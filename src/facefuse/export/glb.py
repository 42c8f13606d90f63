"""The head as binary glTF 2.0: textured, with one morph target per expression.

Source: Khronos glTF 2.0 specification, sections 3.6 (buffers and accessors), 3.7 (geometry) and 4.4 (GLB layout).
"""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import numpy.typing as npt

from facefuse.errors import UsageError
from facefuse.export.morphs import Target, morphs_of
from facefuse.export.textures import encode_jpeg
from facefuse.geometry.mesh import vertex_normals
from facefuse.reconstruction import Reconstruction
from facefuse.version import __version__

FloatArray = npt.NDArray[np.floating[Any]]

_FLOAT, _UNSIGNED_SHORT, _UNSIGNED_INT = 5126, 5123, 5125
_ARRAY_BUFFER, _ELEMENT_ARRAY_BUFFER = 34962, 34963
_LINEAR, _LINEAR_MIPMAP_LINEAR, _CLAMP_TO_EDGE = 9729, 9987, 33071
# The texture is one for all parts; only the gloss differs. The neck is open below, so skin is seen from inside too.
_MATERIALS = {
    "skin": {"roughness": 0.6, "double_sided": True},
    "eyes": {"roughness": 0.2, "double_sided": False},
    "mouth": {"roughness": 0.4, "double_sided": True},
}


def head_to_glb(reconstruction: Reconstruction, weights: FloatArray | None = None) -> bytes:
    """Write a head as GLB.

    Metres, +Y up, facing +Z. One mesh; skin, eyes and mouth are primitives with a material each. Every expression is
    a morph target (positions and normals, sparse) named in ``mesh.extras.targetNames``.

    Parameters
    ----------
    reconstruction : Reconstruction
    weights : (E,) float, optional
        Expression weights the head has when opened; neutral where absent.

    Returns
    -------
    bytes
        The file.

    Raises
    ------
    UsageError
        If ``weights`` is not one number per expression.
    """
    model = reconstruction.model
    default = np.zeros(model.expression_count) if weights is None else np.asarray(weights, dtype=float)
    if default.shape != (model.expression_count,) or not np.isfinite(default).all():
        raise UsageError(
            f"expected {model.expression_count} finite expression weights, found an array of shape {default.shape}"
        )
    vertices = np.asarray(reconstruction.mesh.vertices)
    normals = vertex_normals(vertices, model.triangles)
    normals = np.where(np.square(normals).sum(1, keepdims=True) > 0.5, normals, [0.0, 0.0, 1.0])
    morphs = morphs_of(model)
    changes = morphs.normal_changes(vertices)
    uv = np.stack([model.uv[:, 0], 1 - model.uv[:, 1]], 1)  # glTF counts v from the top

    buffer = _Buffer()
    primitives = [
        {
            "attributes": {
                "POSITION": buffer.vectors("positions", vertices[part.vertex] * model.unit_to_metre, bounds=True),
                "NORMAL": buffer.vectors("normals", normals[part.vertex]),
                "TEXCOORD_0": buffer.vectors("uv", uv[part.uv]),
            },
            "indices": buffer.indices(part.triangles),
            "material": material,
            "targets": [
                _target(buffer, target, changes, len(part.vertex), model.unit_to_metre)
                for target in morphs.targets[material]
            ],
        }
        for material, part in enumerate(morphs.parts)
    ]
    mesh: dict[str, Any] = {"name": "head", "primitives": primitives}
    if model.expression_count:
        mesh["weights"] = [round(float(weight), 6) for weight in default]
        mesh["extras"] = {"targetNames": list(model.expression_names)}
    else:
        for primitive in primitives:
            del primitive["targets"]
    image = buffer.image(encode_jpeg(reconstruction.texture))
    document = {
        "asset": {
            "version": "2.0",
            "generator": f"facefuse {__version__}",
            "extras": {"model": model.name, "licence": model.licence, "credit": model.credit},
        },
        "scene": 0,
        "scenes": [{"name": "head", "nodes": [0]}],
        "nodes": [{"name": "head", "mesh": 0}],
        "meshes": [mesh],
        "materials": [_material(part.name) for part in morphs.parts],
        "textures": [{"source": 0, "sampler": 0}],
        "images": [{"name": "head_texture", "mimeType": "image/jpeg", "bufferView": image}],
        "samplers": [
            {
                "magFilter": _LINEAR,
                "minFilter": _LINEAR_MIPMAP_LINEAR,
                "wrapS": _CLAMP_TO_EDGE,
                "wrapT": _CLAMP_TO_EDGE,
            }
        ],
    }
    return buffer.finish(document)


def _material(name: str) -> dict[str, Any]:
    look = _MATERIALS[name]
    return {
        "name": name,
        "doubleSided": look["double_sided"],
        "pbrMetallicRoughness": {
            "baseColorTexture": {"index": 0},
            "metallicFactor": 0.0,
            "roughnessFactor": look["roughness"],
        },
    }


def _target(buffer: _Buffer, target: Target, changes: FloatArray, count: int, unit_to_metre: float) -> dict[str, int]:
    metres = target.displacement * np.float32(unit_to_metre)
    return {
        "POSITION": buffer.sparse(target.moved, metres, count, bounds=True),
        "NORMAL": buffer.sparse(target.turned, changes.take(target.rows, axis=0), count),
    }


class _Buffer:
    """Collects the accessors and buffer views of one binary chunk.

    Arrays of one kind share a buffer view: few views, whatever the number of morph targets.
    """

    def __init__(self) -> None:
        self._chunks: dict[str, list[bytes]] = {}
        self._sizes: dict[str, int] = {}
        self._accessors: list[dict[str, Any]] = []
        self._zeros: dict[tuple[int, bool], int] = {}

    def vectors(self, view: str, values: FloatArray, bounds: bool = False) -> int:
        """Add (N, D) vertex attributes; return the accessor."""
        data = np.ascontiguousarray(values, dtype="<f4")
        kind = f"VEC{data.shape[1]}"
        accessor = {"bufferView": view, "byteOffset": self._append(view, data), "componentType": _FLOAT}
        return self._accessor(accessor | {"count": len(data), "type": kind} | (_bounds(data) if bounds else {}))

    def indices(self, triangles: npt.NDArray[np.integer[Any]]) -> int:
        """Add (F, 3) vertex indices; return the accessor."""
        data = np.ascontiguousarray(triangles, dtype="<u4")
        accessor = {"bufferView": "indices", "byteOffset": self._append("indices", data)}
        return self._accessor(accessor | {"componentType": _UNSIGNED_INT, "count": data.size, "type": "SCALAR"})

    def sparse(self, where: npt.NDArray[np.integer[Any]], values: FloatArray, count: int, bounds: bool = False) -> int:
        """Add (N, 3) values at some of ``count`` vertices, zero elsewhere; return the accessor."""
        accessor: dict[str, Any] = {"componentType": _FLOAT, "count": count, "type": "VEC3"}
        if len(where) == 0:
            if (count, bounds) not in self._zeros:  # an accessor without data is zero throughout; one serves all
                zero = {"min": [0.0] * 3, "max": [0.0] * 3} if bounds else {}
                self._zeros[count, bounds] = self._accessor(accessor | zero)
            return self._zeros[count, bounds]
        data = np.ascontiguousarray(values, dtype="<f4")
        short = count <= 65536
        index = np.ascontiguousarray(where, dtype="<u2" if short else "<u4")
        accessor["sparse"] = {
            "count": len(index),
            "indices": {
                "bufferView": "sparse indices",
                "byteOffset": self._append("sparse indices", index),
                "componentType": _UNSIGNED_SHORT if short else _UNSIGNED_INT,
            },
            "values": {"bufferView": "sparse values", "byteOffset": self._append("sparse values", data)},
        }
        if bounds:
            whole = data if len(data) == count else np.concatenate([data, np.zeros((1, 3), "<f4")])
            accessor |= _bounds(whole)
        return self._accessor(accessor)

    def image(self, data: bytes) -> int:
        """Add an encoded image; return the buffer view."""
        self._append("image", np.frombuffer(data, dtype=np.uint8))
        return list(self._chunks).index("image")

    def finish(self, document: dict[str, Any]) -> bytes:
        """Lay the collected data out behind the document and return the file."""
        layout = {
            "positions": {"byteStride": 12, "target": _ARRAY_BUFFER},
            "normals": {"byteStride": 12, "target": _ARRAY_BUFFER},
            "uv": {"byteStride": 8, "target": _ARRAY_BUFFER},
            "indices": {"target": _ELEMENT_ARRAY_BUFFER},
        }
        views, offset = [], 0
        for name, size in self._sizes.items():
            views.append({"name": name, "buffer": 0, "byteOffset": offset, "byteLength": size} | layout.get(name, {}))
            offset += size + _padding(size)
        order = {name: k for k, name in enumerate(self._sizes)}
        for accessor in self._accessors:
            places = [accessor, *(accessor["sparse"][key] for key in ("indices", "values") if "sparse" in accessor)]
            for place in places:
                if "bufferView" in place:
                    place["bufferView"] = order[place["bufferView"]]
        document = document | {
            "buffers": [{"byteLength": offset}],
            "bufferViews": views,
            "accessors": self._accessors,
        }
        text = json.dumps(document, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode("utf-8")
        text += b" " * _padding(len(text))
        binary = b"".join(
            piece for name, chunk in self._chunks.items() for piece in (*chunk, b"\0" * _padding(self._sizes[name]))
        )
        total = 12 + 8 + len(text) + 8 + len(binary)
        header = struct.pack("<4sII", b"glTF", 2, total) + struct.pack("<I4s", len(text), b"JSON")
        return header + text + struct.pack("<I4s", len(binary), b"BIN\0") + binary

    def _append(self, view: str, data: npt.NDArray[Any]) -> int:
        offset = self._sizes.get(view, 0)
        self._chunks.setdefault(view, []).append(data.tobytes())
        self._sizes[view] = offset + data.nbytes
        return offset

    def _accessor(self, accessor: dict[str, Any]) -> int:
        self._accessors.append(accessor)
        return len(self._accessors) - 1


def _bounds(data: npt.NDArray[np.float32]) -> dict[str, list[float]]:
    columns = data.T  # three long reductions are faster than one over short rows
    return {"min": [float(c.min()) for c in columns], "max": [float(c.max()) for c in columns]}


def _padding(size: int) -> int:
    return -size % 4
