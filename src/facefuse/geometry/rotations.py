"""Rotations: named ``x_to_y``, any leading batch dimensions, NumPy or PyTorch.

A rotation matrix maps model coordinates to camera coordinates, ``x_cam = R x_model``. The camera looks along +z with
y down (OpenCV), the model looks along its own +z with y up, so a face that looks straight into the camera has
``R = diag(1, -1, -1)``.
"""

from __future__ import annotations

import math
from typing import Any

from facefuse.geometry.arrays import array_namespace

Array = Any


def rotvec_to_rotmat(rotvec: Array) -> Array:
    """Rotation vector to matrix (Rodrigues' formula), smooth at zero.

    Parameters
    ----------
    rotvec : (..., 3) float
        Axis times angle, radians.

    Returns
    -------
    (..., 3, 3) float
    """
    xp = array_namespace(rotvec)
    square = xp.sum(rotvec * rotvec, axis=-1)[..., None, None]
    small = square < 1e-8
    safe = xp.where(small, xp.ones_like(square), square)
    angle = xp.sqrt(safe)
    sine = xp.where(small, 1 - square / 6, xp.sin(angle) / angle)
    cosine = xp.where(small, 0.5 - square / 24, (1 - xp.cos(angle)) / safe)
    k = cross_matrix(rotvec)
    eye = xp.eye(3, dtype=rotvec.dtype)
    return eye + sine * k + cosine * xp.matmul(k, k)


def cross_matrix(vector: Array) -> Array:
    """Matrix of the cross product, ``cross_matrix(a) @ b == a x b``: (..., 3) to (..., 3, 3)."""
    xp = array_namespace(vector)
    x, y, z = vector[..., 0], vector[..., 1], vector[..., 2]
    zero = xp.zeros_like(x)
    rows = (xp.stack((zero, -z, y), axis=-1), xp.stack((z, zero, -x), axis=-1), xp.stack((-y, x, zero), axis=-1))
    return xp.stack(rows, axis=-2)


def rotmat_to_rotvec(rotmat: Array) -> Array:
    """Rotation matrix to rotation vector, angles below π: (..., 3, 3) to (..., 3) radians."""
    xp = array_namespace(rotmat)
    trace = rotmat[..., 0, 0] + rotmat[..., 1, 1] + rotmat[..., 2, 2]
    axis = xp.stack(
        (
            rotmat[..., 2, 1] - rotmat[..., 1, 2],
            rotmat[..., 0, 2] - rotmat[..., 2, 0],
            rotmat[..., 1, 0] - rotmat[..., 0, 1],
        ),
        axis=-1,
    )
    sine2 = xp.sqrt(xp.sum(axis * axis, axis=-1))
    angle = xp.atan2(sine2, trace - 1)
    safe = xp.where(sine2 < 1e-12, xp.ones_like(sine2), sine2)
    factor = xp.where(sine2 < 1e-12, 0.5 * xp.ones_like(sine2), angle / safe)
    return axis * factor[..., None]


def rot6d_to_rotmat(rot6d: Array) -> Array:
    """Six numbers (the first two rows, unnormalised) to a rotation matrix by Gram-Schmidt (Zhou et al., CVPR 2019).

    Parameters
    ----------
    rot6d : (..., 6) float

    Returns
    -------
    (..., 3, 3) float
    """
    xp = array_namespace(rot6d)
    first, second = rot6d[..., :3], rot6d[..., 3:]
    x = first / xp.sqrt(xp.sum(first * first, axis=-1))[..., None]
    second = second - xp.sum(x * second, axis=-1)[..., None] * x
    y = second / xp.sqrt(xp.sum(second * second, axis=-1))[..., None]
    (a, b, c), (d, e, f) = ((v[..., 0], v[..., 1], v[..., 2]) for v in (x, y))
    z = xp.stack((b * f - c * e, c * d - a * f, a * e - b * d), axis=-1)
    return xp.stack((x, y, z), axis=-2)


def rotmat_to_rot6d(rotmat: Array) -> Array:
    """Rotation matrix to its first two rows: (..., 3, 3) to (..., 6)."""
    xp = array_namespace(rotmat)
    return xp.concat((rotmat[..., 0, :], rotmat[..., 1, :]), axis=-1)


def euler_to_rotmat(yaw: Array, pitch: Array, roll: Array) -> Array:
    """Yaw, pitch and roll to a camera-from-model matrix.

    ``R = Rz(roll) Rx(pitch) Ry(yaw)`` in the model's upright frame, then the axes of the camera. Positive yaw turns the
    face to the subject's left (it looks to the right in the image), positive pitch up, positive roll tilts the head
    clockwise in the image.

    Parameters
    ----------
    yaw, pitch, roll : (...) float
        Degrees.

    Returns
    -------
    (..., 3, 3) float
    """
    xp = array_namespace(yaw, pitch, roll)
    rad = math.pi / 180
    # a model looking along +z turns towards +x (its left) by +yaw about +y, and up by -pitch about +x
    zero = xp.zeros_like(yaw)
    up = rotvec_to_rotmat(xp.stack((zero, yaw * rad, zero), axis=-1))
    nod = rotvec_to_rotmat(xp.stack((-pitch * rad, zero, zero), axis=-1))
    tilt = rotvec_to_rotmat(xp.stack((zero, zero, -roll * rad), axis=-1))
    upright = xp.matmul(tilt, xp.matmul(nod, up))
    flip = xp.asarray([1.0, -1.0, -1.0], dtype=upright.dtype)
    return flip[:, None] * upright


def rotmat_to_euler(rotmat: Array) -> tuple[Array, Array, Array]:
    """Inverse of :func:`euler_to_rotmat`: (..., 3, 3) to yaw, pitch, roll in degrees, pitch within ±90."""
    xp = array_namespace(rotmat)
    flip = xp.asarray([1.0, -1.0, -1.0], dtype=rotmat.dtype)
    upright = flip[:, None] * rotmat
    # upright = Rz(-roll) Rx(-pitch) Ry(yaw)
    deg = 180 / math.pi
    pitch = -xp.asin(xp.clip(upright[..., 2, 1], -1.0, 1.0)) * deg
    yaw = xp.atan2(-upright[..., 2, 0], upright[..., 2, 2]) * deg
    roll = -xp.atan2(-upright[..., 0, 1], upright[..., 1, 1]) * deg
    return yaw, pitch, roll
