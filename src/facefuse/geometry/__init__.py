"""Rotations, cameras, alignment and mesh topology: pure functions on arrays."""

from facefuse.geometry.alignment import Similarity, similarity_from_points
from facefuse.geometry.cameras import Camera, PinholeCamera, ScaledOrthographicCamera
from facefuse.geometry.mesh import Mesh, vertex_normals
from facefuse.geometry.rotations import euler_to_rotmat, rotmat_to_euler, rotvec_to_rotmat

__all__ = [
    "Camera",
    "Mesh",
    "PinholeCamera",
    "ScaledOrthographicCamera",
    "Similarity",
    "euler_to_rotmat",
    "rotmat_to_euler",
    "rotvec_to_rotmat",
    "similarity_from_points",
    "vertex_normals",
]
