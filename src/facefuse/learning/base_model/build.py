"""Putting the base model together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from facefuse.learning.base_model import regions
from facefuse.learning.base_model.atlas import Chart, skin_chart
from facefuse.learning.base_model.eyes import IRIS, PUPIL, SCLERA, Eyeballs, build_eyeballs
from facefuse.learning.base_model.ict import NARROW_FACE_VERTICES, IctModel, load_ict, reflect
from facefuse.learning.base_model.interior import UPPER, build_gums, build_teeth
from facefuse.learning.base_model.islands import disc_chart, merge, pack
from facefuse.learning.base_model.landmarks import (
    IBUG_MIRROR,
    SurfacePoints,
    closest_surface_points,
    contour_curves,
    symmetrise,
)
from facefuse.learning.base_model.mesh_points import mirror_partners, read_canonical
from facefuse.learning.base_model.places import photo_landmarks, photo_mesh_points
from facefuse.learning.base_model.rims import close_lids, close_lips
from facefuse.learning.base_model.skin import EYE_SOCKET, MOUTH_BAG, SKIN, Part, build_skin
from facefuse.learning.base_model.statistics import arkit_expressions, orthogonal_modes, vertex_areas
from facefuse.morphable.model import FaceModel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

IDENTITY_MODES = 90
FACE_SHARE = 0.85
"""Weight of ICT's narrow face in the metric that ranks modes; the rest of the skin has the remainder."""
MOUTH_RECESS_MM = 2.0
"""ICT's lips stay a little open at rest; teeth and gums are moved back so that they do not shine through."""
ATLAS_WEIGHTS = {
    "scalp": 0.09,
    "neck": 0.18,
    "ear_left": 0.45,
    "ear_right": 0.45,
    "nose": 1.3,
    "eyelid_left": 2.5,
    "eyelid_right": 2.5,
    "upper_lip": 1.6,
    "lower_lip": 1.6,
}
"""Size of regions in the atlas relative to their area; all others have 1."""


@dataclass(frozen=True)
class Anatomy:
    """The new mesh with what lies where, before statistics.

    Attributes
    ----------
    parts : list of Part
        Skin with sockets and bag, gums with tongue, teeth: barycentric on ICT.
    eyes : Eyeballs
        Appended last.
    mean : (V, 3) float
    triangles : (F, 3) int
    region : (F,) int
    mirror : (V,) int
    """

    parts: list[Part]
    eyes: Eyeballs
    mean: Floats
    triangles: Ints
    region: Ints
    mirror: Ints

    def carry(self, field: Floats, on_eyes: Floats) -> Floats:
        """Carry an ICT field (N, 3) over to the new mesh; the eyeballs' values (Ve, 3) are given."""
        return np.concatenate([*(part.transfer @ field for part in self.parts), on_eyes])


def build_model(ict_path: Path, canonical_path: Path) -> FaceModel:
    """Build the base model from ICT-FaceKit Light and MediaPipe's canonical face model."""
    ict = load_ict(ict_path)
    skin, gums, teeth, eyes = build_skin(ict), build_gums(ict), build_teeth(ict), build_eyeballs(ict)
    offsets = np.cumsum([0, skin.transfer.shape[0], gums.transfer.shape[0], teeth.transfer.shape[0]])
    mean = np.concatenate([*(part.transfer @ ict.mean for part in (skin, gums, teeth)), eyes.mean])
    mean[offsets[1] : offsets[3], 2] -= MOUTH_RECESS_MM
    triangles = np.concatenate(
        [skin.triangles, gums.triangles + offsets[1], teeth.triangles + offsets[2], eyes.triangles + offsets[3]]
    )
    mirror = np.concatenate(
        [skin.mirror, gums.mirror + offsets[1], teeth.mirror + offsets[2], eyes.mirror + offsets[3]]
    )
    mean = (mean + reflect(mean[mirror])) / 2

    outer = skin.triangles[skin.label == SKIN]
    landmarks = symmetrise(closest_surface_points(ict.mean[ict.landmarks68], mean, outer), IBUG_MIRROR, mirror, mean)
    points68 = landmarks.on(mean)  # ICT's own
    photo68 = symmetrise(photo_landmarks(mean, outer), IBUG_MIRROR, mirror, mean)
    marks = points68.copy()
    marks[17:27] = photo68.on(mean)[17:27]  # ICT's own run above the brows
    skin_count = int(offsets[1])
    fields = skin_fields(mean[:skin_count], skin, marks)
    lips = np.intersect1d(np.flatnonzero(fields.lip < 0), outer)
    mean[:skin_count] += close_lips(mean[:skin_count], skin.triangles[skin.label != EYE_SOCKET], lips)
    mean = (mean + reflect(mean[mirror])) / 2
    region = region_labels(mean, triangles, skin, gums, teeth, eyes, marks, fields)
    anatomy = Anatomy([skin, gums, teeth], eyes, mean, triangles, region, mirror)

    weight = np.ones(len(outer))
    for name, value in ATLAS_WEIGHTS.items():
        weight[region[: len(skin.triangles)][skin.label == SKIN] == regions.REGION_NAMES.index(name)] = value
    chart = skin_chart(mean[:skin_count], outer, skin.mirror, weight)
    uv, uv_triangles = unwrap(anatomy, chart, offsets)

    canonical, canonical_triangles = read_canonical(canonical_path)
    mesh_points = symmetrise(
        photo_mesh_points(canonical, canonical_triangles, points68, mean, outer),
        mirror_partners(canonical),
        mirror,
        mean,
    )
    return assemble(ict, anatomy, uv, uv_triangles, photo68, mesh_points, chart, albedo(anatomy, fields, offsets))


def skin_fields(points: Floats, skin: Part, landmarks: Floats) -> regions.SkinFields:
    """Return the distance fields on the skin part's vertices."""
    edges = np.concatenate([skin.triangles[:, [i, j]] for i, j in ((0, 1), (1, 2), (2, 0))])
    n = len(points)
    length = np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1)
    graph = sparse.coo_matrix((length, (edges[:, 0], edges[:, 1])), shape=(n, n)).tocsr()
    graph = graph.minimum(graph.T) + (graph - graph.minimum(graph.T)).maximum(0)
    on_skin = np.zeros(n, dtype=bool)
    on_skin[skin.triangles[skin.label == SKIN]] = True
    in_socket = np.zeros(n, dtype=bool)
    in_socket[skin.triangles[skin.label == EYE_SOCKET]] = True
    in_bag = np.zeros(n, dtype=bool)
    in_bag[skin.triangles[skin.label == MOUTH_BAG]] = True
    lids = sparse.csgraph.dijkstra(graph, directed=False, indices=np.flatnonzero(on_skin & in_socket), min_only=True)
    outline = regions.lip_outline(landmarks)
    gap = np.linalg.norm(points[:, None] - outline[None], axis=2).min(1)
    rim = np.flatnonzero(on_skin & in_bag)
    near = sparse.csgraph.dijkstra(graph, directed=False, indices=rim, min_only=True)
    inside = regions.inside_polygon(points[:, :2], outline[:, :2]) & (near < 22)
    lip = np.where(inside & on_skin, -gap, gap)
    return regions.SkinFields(regions.brow_field(points, landmarks), lip, lids, regions.hair_field(points))


def region_labels(
    mean: Floats,
    triangles: Ints,
    skin: Part,
    gums: Part,
    teeth: Part,
    eyes: Eyeballs,
    landmarks: Floats,
    fields: regions.SkinFields,
) -> Ints:
    """Return the region number of every triangle."""
    number = {name: i for i, name in enumerate(regions.REGION_NAMES)}
    centre = mean[triangles].mean(1)
    at = skin.triangles
    own = regions.SkinFields(*(getattr(fields, name)[at].mean(1) for name in ("brow", "lip", "lids", "hair")))
    c = centre[: len(at)]
    label = regions.skin_labels(c, landmarks, own, regions.is_ear(c), regions.is_neck(c))
    lips = own.lip < 0
    middle = np.interp(np.abs(c[:, 0]), [0, landmarks[54, 0]], [landmarks[[62, 66], 1].mean(), landmarks[54, 1]])
    label[lips] = np.where(c[:, 1] > middle, number["upper_lip"], number["lower_lip"])[lips]
    label[skin.label == MOUTH_BAG] = number["mouth_interior"]
    label[skin.label == EYE_SOCKET] = number["eye_socket"]
    start = len(at)
    mouth = np.full(len(gums.triangles), number["mouth_interior"])
    g = centre[start : start + len(mouth)]
    mouth[is_tongue(g)] = number["tongue"]
    tooth = np.where(teeth.label == UPPER, number["upper_teeth"], number["lower_teeth"])
    left = np.arange(len(eyes.label)) < len(eyes.label) // 2
    ball = np.zeros(len(eyes.label), dtype=np.int64)
    for kind, name in ((SCLERA, "sclera"), (IRIS, "iris"), (PUPIL, "pupil")):
        ball[eyes.label == kind] = np.where(left, number[name + "_left"], number[name + "_right"])[eyes.label == kind]
    return np.concatenate([label, mouth, tooth, ball])


def is_tongue(points: Floats) -> NDArray[np.bool_]:
    """Tell which points of the mean's gum part belong to the tongue: behind and between the lower teeth."""
    x, y, z = np.abs(points[:, 0]), points[:, 1], points[:, 2]
    return (x < np.interp(z, [-60, -10, 5], [19, 17, 8])) & (y < -66) & (z < 6)


def albedo(anatomy: Anatomy, fields: regions.SkinFields, offsets: Ints) -> Floats:
    """Return linear RGB (V, 3)."""
    skin, _gums, _teeth = anatomy.parts
    colour = np.zeros((len(anatomy.mean), 3))
    colour[: offsets[1]] = regions.skin_albedo(int(offsets[1]), fields)
    on_skin = np.zeros(offsets[1], dtype=bool)
    on_skin[skin.triangles[skin.label == SKIN]] = True
    for label, name in ((MOUTH_BAG, "mouth"), (EYE_SOCKET, "socket")):
        inner = np.zeros(offsets[1], dtype=bool)
        inner[skin.triangles[skin.label == label]] = True
        colour[: offsets[1]][inner & ~on_skin] = regions.linear_colour(name)
    colour[offsets[1] : offsets[2]] = regions.linear_colour("gums")
    tongue = anatomy.triangles[anatomy.region == regions.REGION_NAMES.index("tongue")]
    colour[np.unique(tongue)] = regions.linear_colour("tongue")
    colour[offsets[2] : offsets[3]] = regions.linear_colour("teeth")
    angle = anatomy.eyes.angle
    ball = np.tile(regions.linear_colour("sclera"), (len(angle), 1))
    ball = regions.blend(ball, "iris", (angle <= 23.5).astype(float))
    colour[offsets[3] :] = regions.blend(ball, "pupil", (angle <= 8.5).astype(float))
    return colour


def unwrap(anatomy: Anatomy, chart: Chart, offsets: Ints) -> tuple[Floats, Ints]:
    """Return the atlas: uv (U, 2) and triangles (F, 3)."""
    skin, gums, teeth = anatomy.parts
    left = anatomy.mean[skin.triangles, 0].mean(1) > 0
    sockets = [skin.triangles[(skin.label == EYE_SOCKET) & side] for side in (left, ~left)]
    tooth_triangles = teeth.triangles + offsets[2]
    group = sparse.csgraph.connected_components(
        sparse.coo_matrix(
            (
                np.ones(2 * len(tooth_triangles)),
                (tooth_triangles[:, [0, 1]].ravel(), tooth_triangles[:, [1, 2]].ravel()),
            ),
            shape=(len(anatomy.mean), len(anatomy.mean)),
        ),
        directed=False,
    )[1][tooth_triangles[:, 0]]
    crowns = [tooth_triangles[group == g] for g in np.unique(group)]
    place = [anatomy.mean[crown].mean((0, 1)) for crown in crowns]
    upper = [bool((teeth.label[group == g] == UPPER).all()) for g in np.unique(group)]
    along = [np.arctan2(p[0], p[2] + 60) for p in place]  # about the arch, from the subject's right to left
    order = sorted(range(len(crowns)), key=lambda i: (not upper[i], along[i]))
    balls, n = anatomy.eyes, len(anatomy.eyes.mean) // 2
    start = int(offsets[3])
    eyes = (
        Chart(balls.uv, balls.uv_vertex + start, balls.uv_triangles),
        Chart(balls.uv * [-1.0, 1.0], balls.uv_vertex + start + n, balls.uv_triangles[:, [0, 2, 1]]),
    )
    placed = pack(
        chart,
        eyes,
        (disc_chart(anatomy.mean, sockets[0]), disc_chart(anatomy.mean, sockets[1])),
        disc_chart(anatomy.mean, skin.triangles[skin.label == MOUTH_BAG]),
        disc_chart(anatomy.mean, gums.triangles + offsets[1]),
        [disc_chart(anatomy.mean, crowns[i]) for i in order],
    )
    return merge(placed, anatomy.triangles, len(anatomy.mean))


def shared_vertices(skin: Part, label: int) -> Ints:
    """Return the vertices where the outer skin meets the bag or the sockets."""
    return np.intersect1d(skin.triangles[skin.label == SKIN], skin.triangles[skin.label == label])


def closed_lids(anatomy: Anatomy, blink: Floats) -> Floats:
    """Return the left eye's blink (V, 3), closed."""
    skin, mean = anatomy.parts[0], anatomy.mean
    rim = shared_vertices(skin, EYE_SOCKET)
    rim = rim[mean[rim, 0] > 0]
    lids = skin.triangles[skin.label != MOUTH_BAG]
    return close_lids(mean, blink, lids, rim, anatomy.eyes.centre, anatomy.eyes.radius)


def assemble(
    ict: IctModel,
    anatomy: Anatomy,
    uv: Floats,
    uv_triangles: Ints,
    landmarks: SurfacePoints,
    mesh_points: SurfacePoints,
    chart: Chart,
    colour: Floats,
) -> FaceModel:
    """Carry ICT's modes over and make the model."""
    skin = anatomy.parts[0]
    modes = np.stack([anatomy.carry(mode, eye) for mode, eye in zip(ict.identity, anatomy.eyes.identity, strict=True)])
    outer = skin.triangles[skin.label == SKIN]
    mask = np.zeros(len(anatomy.mean), dtype=bool)
    narrow = np.asarray(skin.transfer[:, :NARROW_FACE_VERTICES].sum(1)).ravel() > 0.5
    mask[np.intersect1d(np.flatnonzero(narrow), outer)] = True
    area = vertex_areas(anatomy.mean, outer)
    metric = np.where(mask, FACE_SHARE / area[mask].sum(), (1 - FACE_SHARE) / area[~mask].sum()) * area
    identity = orthogonal_modes(modes, ict.parity, metric, anatomy.mirror, IDENTITY_MODES)
    shapes = {
        name: anatomy.carry(shape, eye)
        for name, shape, eye in zip(ict.expression_names, ict.expression, anatomy.eyes.expression, strict=True)
    }
    shapes["eyeBlink_L"] = closed_lids(anatomy, shapes["eyeBlink_L"])
    shapes["eyeBlink_R"] = reflect(shapes["eyeBlink_L"])[anatomy.mirror]
    names, expression = arkit_expressions(shapes)
    return FaceModel(
        name="base",
        mean=anatomy.mean.astype(np.float32),
        identity=identity.astype(np.float32),
        expression=expression.astype(np.float32),
        expression_names=names,
        albedo=colour.astype(np.float32),
        triangles=anatomy.triangles,
        uv=uv.astype(np.float32),
        uv_triangles=uv_triangles,
        region=anatomy.region,
        region_names=regions.REGION_NAMES,
        symmetric=anatomy.mirror,
        face_mask=mask,
        landmarks68=landmarks.corners,
        landmarks68_weights=landmarks.weights.astype(np.float32),
        contours=contour_curves(landmarks, chart, anatomy.mean, anatomy.mirror),
        mesh_points=mesh_points.corners,
        mesh_points_weights=mesh_points.weights.astype(np.float32),
        licence="Apache-2.0; shape statistics from ICT-FaceKit Light (MIT)",
        credit="Li et al., Learning Formation of Physically-Based Face Attributes, CVPR 2020",
    )
