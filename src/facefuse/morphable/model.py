"""The face model: a mean, linear identity and expression modes, and what the mesh means."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from facefuse.geometry.arrays import array_namespace

Array = Any
"""A NumPy array or a PyTorch tensor."""


@dataclass(frozen=True)
class FaceModel:
    """A linear 3D face model on a fixed mesh.

    All coordinates are millimetres in the model frame: +X to the subject's left, +Y up, +Z out of the face.
    ``V`` vertices, ``F`` triangles, ``K`` identity modes, ``A`` albedo modes, ``E`` expressions, ``U`` texture
    coordinates.

    Attributes
    ----------
    name : str
        The name in the registry.
    mean : (V, 3) float
        The mean neutral head.
    identity : (K, V, 3) float
        Displacement of each identity mode at one standard deviation; coefficients are N(0, 1).
    expression : (E, V, 3) float
        Displacement of each expression at weight one.
    expression_names : tuple of str
        ARKit names where ``blendshapes`` is true.
    blendshapes : bool
        Whether expression weights live in [0, 1]; otherwise they are N(0, 1) coefficients.
    albedo : (V, 3) float
        Linear RGB, 0-1: the mean, or where there are albedo modes the colour at coefficients zero.
    albedo_modes : (A, V, 3) float or None
        Change of the log odds of linear RGB, ln(a / (1 - a)), with each albedo mode at one standard deviation;
        coefficients are N(0, 1). On dark skin that is the logarithm, in which pigments add up, so one mode means the
        same on all skins; and albedo stays within 0-1. None for models without statistics of albedo.
    triangles : (F, 3) int
        Counter-clockwise seen from outside.
    uv : (U, 2) float
        Texture coordinates in [0, 1], u right, v up.
    uv_triangles : (F, 3) int
        Indices into ``uv``, one triangle per triangle of the mesh.
    region : (F,) int
        Region of each triangle, an index into ``region_names``.
    region_names : tuple of str
        Names of the regions.
    symmetric : (V,) int
        The mirror partner of each vertex (itself on the symmetry plane).
    face_mask : (V,) bool
        The narrow face region on which reconstruction errors are stated.
    landmarks68 : (68, 3) int
        Vertices of the iBUG landmarks, and
    landmarks68_weights : (68, 3) float
        their barycentric weights.
    contours : (17, C) int
        Candidate vertices on which each jaw landmark slides under pose, inner to outer, -1 pads.
    mesh_points : (M, 3) int
        Vertices of MediaPipe's mesh points in MediaPipe's order (M = 468, or 0 if unknown), and
    mesh_points_weights : (M, 3) float
        their barycentric weights.
    unit_to_metre : float
        0.001 for millimetres.
    licence : str
        The licence of the model.
    credit : str
        Whom to name when results are published.
    """

    name: str
    mean: Array
    identity: Array
    expression: Array
    expression_names: tuple[str, ...]
    albedo: Array
    triangles: Array
    uv: Array
    uv_triangles: Array
    region: Array
    region_names: tuple[str, ...]
    symmetric: Array
    face_mask: Array
    landmarks68: Array
    landmarks68_weights: Array
    contours: Array
    mesh_points: Array
    mesh_points_weights: Array
    blendshapes: bool = True
    albedo_modes: Array | None = None
    unit_to_metre: float = 0.001
    licence: str = ""
    credit: str = ""
    _flat: dict[str, Array] = field(default_factory=dict, repr=False, compare=False)

    @property
    def identity_count(self) -> int:
        """Number of identity modes ``K``."""
        return int(self.identity.shape[0])

    @property
    def expression_count(self) -> int:
        """Number of expressions ``E``."""
        return int(self.expression.shape[0])

    @property
    def albedo_count(self) -> int:
        """Number of albedo modes ``A``."""
        return 0 if self.albedo_modes is None else int(self.albedo_modes.shape[0])

    @property
    def vertex_count(self) -> int:
        """Number of vertices ``V``."""
        return int(self.mean.shape[0])

    def vertices(self, identity: Array | None = None, expression: Array | None = None) -> Array:
        """Decode coefficients into vertices.

        Parameters
        ----------
        identity : (..., k) float, optional
            The first k ≤ K identity coefficients; zero where absent.
        expression : (..., E) float, optional
            Expression weights; zero where absent.

        Returns
        -------
        (..., V, 3) float
            Vertices in millimetres, model frame.
        """
        out = self.mean
        if identity is not None:
            out = out + self._combine("identity", identity)
        if expression is not None:
            out = out + self._combine("expression", expression)
        return out

    def colours(self, albedo: Array | None = None) -> Array:
        """Decode coefficients into albedo.

        Parameters
        ----------
        albedo : (..., a) float, optional
            The first a ≤ A albedo coefficients; the mean where absent.

        Returns
        -------
        (..., V, 3) float
            Linear RGB, 0-1.

        Raises
        ------
        ValueError
            If the model has no statistics of albedo.
        """
        if albedo is None:
            return self.albedo
        if self.albedo_modes is None:
            raise ValueError(f"the model {self.name!r} has no albedo modes")
        xp = array_namespace(albedo)
        odds = xp.exp(self._combine("albedo_modes", albedo))
        return self.albedo * odds / (1 + self.albedo * (odds - 1))

    def landmarks(self, vertices: Array) -> Array:
        """Return the 68 landmarks on given vertices: (..., V, 3) to (..., 68, 3)."""
        return barycentric_points(vertices, self.landmarks68, self.landmarks68_weights)

    def mesh_landmarks(self, vertices: Array) -> Array:
        """Return MediaPipe's mesh points on given vertices: (..., V, 3) to (..., M, 3)."""
        return barycentric_points(vertices, self.mesh_points, self.mesh_points_weights)

    def region_mask(self, *names: str) -> Array:
        """Return a (F,) bool mask of the triangles in any of the named regions.

        Raises
        ------
        KeyError
            If a name is not one of ``region_names``.
        """
        xp = array_namespace(self.region)
        mask = xp.zeros(self.region.shape, dtype=xp.bool)
        for name in names:
            if name not in self.region_names:
                raise KeyError(f"no region {name!r}; this model has {', '.join(self.region_names)}")
            mask = mask | (self.region == self.region_names.index(name))
        return mask

    def to(self, convert: Any) -> FaceModel:
        """Return the model with every array passed through ``convert`` (such as ``torch.as_tensor``)."""
        arrays = {
            name: convert(value)
            for name, value in self.__dict__.items()
            if hasattr(value, "shape") and not name.startswith("_")
        }
        return replace(self, **arrays, _flat={})

    def _combine(self, name: str, coefficients: Array) -> Array:
        xp = array_namespace(coefficients)
        modes = getattr(self, name)
        flat = self._flat.get(name)
        if flat is None:  # one contiguous matrix, made once: decoding is then a single matrix product
            flat = self._flat[name] = xp.reshape(modes, (modes.shape[0], -1))
        count = coefficients.shape[-1]
        # cast the few coefficients, or the product would convert the whole basis
        out = xp.matmul(xp.astype(coefficients, modes.dtype), flat[:count])
        return xp.reshape(out, (*coefficients.shape[:-1], modes.shape[1], 3))


def barycentric_points(vertices: Array, corners: Array, weights: Array) -> Array:
    """Interpolate points on a mesh.

    Parameters
    ----------
    vertices : (..., V, 3) float
    corners : (P, 3) int
        Vertex indices.
    weights : (P, 3) float
        Barycentric weights.

    Returns
    -------
    (..., P, 3) float
    """
    return (
        vertices[..., corners[:, 0], :] * weights[:, 0, None]
        + vertices[..., corners[:, 1], :] * weights[:, 1, None]
        + vertices[..., corners[:, 2], :] * weights[:, 2, None]
    )
