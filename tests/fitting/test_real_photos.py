"""The fit on real photos, seen by the built-in networks; skipped where the photos are not."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from projected_faces import shape_error

from facefuse.detection.find import find_faces
from facefuse.evaluation.mesh_files import NOW_LANDMARKS, read_landmarks, read_mesh
from facefuse.evaluation.scan import scan_to_mesh
from facefuse.fitting import FitOptions, Observation, fit_face
from facefuse.geometry.mesh import Mesh
from facefuse.photos import read_photo


def observe_photo(path: Path) -> Observation:
    photo = read_photo(path)
    seen = find_faces(photo)[0][1]
    size = (photo.width, photo.height)
    return Observation(seen.points68, seen.sigma68, seen.mesh, seen.mesh_sigma, seen.mesh_indices, size, photo.focal_px)


@pytest.mark.slow
def test_one_face_from_near_and_far(base_model, shared_data):
    seen = [observe_photo(path) for path in sorted((shared_data / "multiview" / "zoom").glob("*.jpg"))]
    assert len(seen) == 4

    def apart(mode: str) -> float:
        found = [fit_face(base_model, [one], FitOptions(camera=mode)).identity for one in seen]
        return float(np.mean([shape_error(base_model, a, b) for a, b in combinations(found, 2)]))

    perspective, orthographic = apart("perspective"), apart("orthographic")
    assert perspective < 0.5
    assert orthographic > 1.25 * perspective


@pytest.mark.slow
def test_the_scan_is_nearer_than_the_mean_face(base_model, shared_data):
    folder = shared_data / "scans" / "lee_perry_smith"
    scan, landmarks = read_mesh(folder / "scan.ply"), read_landmarks(folder / "scan_landmarks7.txt")
    skin = ~base_model.region_mask("eye_socket", "mouth_interior", "tongue", "upper_teeth", "lower_teeth")
    triangles = base_model.triangles[skin]

    def distance(identity: np.ndarray) -> float:
        vertices = base_model.vertices(identity).astype(float)
        points = base_model.landmarks(vertices)[list(NOW_LANDMARKS)]
        return scan_to_mesh(Mesh(vertices, triangles), scan.vertices, points, landmarks).summary.median

    seen = [observe_photo(folder / "photos" / f"{number:02d}.jpg") for number in (1, 2, 3, 5, 6)]
    fit = fit_face(base_model, seen)
    assert min(photo.weight for photo in fit.photos) > 0.8
    assert distance(fit.identity) < 0.92 * distance(np.zeros(base_model.identity_count))
