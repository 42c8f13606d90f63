"""The runtime of ``df-mvr`` against the network in PyTorch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from facefuse.detection.crop import Square, cut_square  # noqa: E402
from facefuse.detection.landmarks import LandmarkNetwork  # noqa: E402
from facefuse.detection.types import DetectedFace  # noqa: E402
from facefuse.errors import AssetError, UsageError  # noqa: E402
from facefuse.fitting.types import Observation  # noqa: E402
from facefuse.learning.df_mvr.export import export_onnx  # noqa: E402
from facefuse.learning.df_mvr.faces import FaceDecoder, scaled  # noqa: E402
from facefuse.learning.df_mvr.multiview_set import SEED  # noqa: E402
from facefuse.learning.df_mvr.n_view import NViewConfig, NViewNet, voted_points  # noqa: E402
from facefuse.learning.df_mvr.placing import PointModel  # noqa: E402
from facefuse.learning.landmarks.config import NetworkConfig  # noqa: E402
from facefuse.learning.synthesis.generator import Settings, Synthesizer  # noqa: E402
from facefuse.methods import METHODS, SeenFace  # noqa: E402
from facefuse.morphable.registry import load_model  # noqa: E402
from facefuse.photos import Photo  # noqa: E402
from facefuse.regression.df_mvr import MultiviewNetwork, combined, refined  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")

MODEL = load_model()
SIZE = 64


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    encoder = NetworkConfig(stem=8, channels=(8, 16, 24, 32), blocks=(1, 1, 1, 1), head=32)
    config = NViewConfig(
        identity=MODEL.identity_count, expression=MODEL.expression_count, albedo=4, encoder=encoder, width=32, heads=2
    )
    net = NViewNet(config, PointModel(MODEL, voted_points(MODEL)[68:] - 68)).eval()
    torch.nn.init.normal_(net.view_head.bias, std=0.3)
    torch.nn.init.normal_(net.shared_head.bias, std=0.5)
    return net


@pytest.fixture(scope="module")
def file(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("df_mvr") / "net.onnx"
    export_onnx(network, SIZE, MODEL, path)
    return path


@pytest.fixture(scope="module")
def photos():
    rng = np.random.default_rng(0)
    pixels = [rng.integers(0, 256, (90, 120, 3), dtype=np.uint8) for _ in range(3)]
    squares = [Square(np.array([60.0, 44.0]) + k, 70.0 + 5 * k, 0.3 * k) for k in range(3)]
    return pixels, squares


def observation():
    points = np.random.default_rng(2).uniform(0, 90, (68, 2))
    return Observation(points, np.ones(68), np.zeros((0, 2)), np.zeros(0), np.zeros(0, int), (120, 90))


def test_what_the_runtime_reads_is_what_the_network_says(network, file, photos):
    person = MultiviewNetwork(MODEL, file, threads=1).regress(*photos)
    crops = np.stack([cut_square(pixels, square, SIZE) for pixels, square in zip(*photos, strict=True)])
    with torch.inference_mode():
        out = network(torch.from_numpy(crops)[None], torch.ones(1, 3, dtype=torch.bool))
        decoder = FaceDecoder(MODEL)
        faces = decoder.of_n_view(out)
        in_crop = scaled(faces.cameras, SIZE).screen(decoder.points(faces))[..., :2].numpy().astype(float)
    np.testing.assert_allclose(person.identity, faces.identity[0], atol=0.02)
    np.testing.assert_allclose(person.expression, faces.expression, atol=5e-3)
    for k, square in enumerate(photos[1]):
        points = MODEL.landmarks(MODEL.vertices(faces.identity[0].numpy(), faces.expression[k].numpy()))
        expected = square.to_photo(in_crop[k, :68], SIZE)
        np.testing.assert_allclose(person.cameras[k].project(np.asarray(points, dtype=float)), expected, atol=0.5)
        found = square.to_photo(out.points[0, k].numpy().astype(float) * SIZE - 0.5, SIZE)
        np.testing.assert_allclose(person.points[k], found, atol=0.5)


def test_the_order_of_photos_does_not_matter_and_expressions_can_be_shared(file, photos):
    net = MultiviewNetwork(MODEL, file, threads=1)
    one = net.regress(*photos)
    other = net.regress(photos[0][::-1], photos[1][::-1])
    np.testing.assert_allclose(one.identity, other.identity, atol=1e-3)
    np.testing.assert_allclose(one.expression, other.expression[::-1], atol=1e-3)
    seen = [observation()] * 3
    shared = combined(MODEL, one, seen, "shared")
    np.testing.assert_allclose(shared.photos[0].expression, shared.photos[2].expression)
    np.testing.assert_allclose(combined(MODEL, one, seen, "per-photo").photos[1].expression, one.expression[1])


def test_refinement_goes_to_the_points_that_the_network_finds(file, photos):
    """Points of a made-up face in the place of the network's: the fit leaves the network's face for that one."""
    person = MultiviewNetwork(MODEL, file, threads=1).regress(*photos)
    rng = np.random.default_rng(1)
    truth = rng.normal(size=MODEL.identity_count) * 0.7
    head = MODEL.vertices(truth, np.zeros(MODEL.expression_count))
    mesh = np.asarray(MODEL.mesh_landmarks(head))[person.mesh_indices]
    points = np.concatenate([MODEL.landmarks(head), mesh]).astype(float)
    for k, camera in enumerate(person.cameras):
        person.points[k] = camera.project(points)
        person.sigma[k] = 0.2
    found = refined(MODEL, person, [observation()] * 3, "per-photo").identity
    face = np.asarray(MODEL.face_mask)

    def miss(identity):
        return np.sqrt(np.square(MODEL.vertices(identity)[face] - MODEL.vertices(truth)[face]).sum(axis=1).mean())

    assert miss(found) < 0.8 * miss(person.identity)


def test_other_files_are_refused(file):
    with pytest.raises(AssetError, match="does not exist"):
        MultiviewNetwork(MODEL, file.with_name("none.onnx"))


def test_the_shipped_network_finds_faces_of_people_it_has_not_seen():
    """Landmarks of the regressed heads lie where they are in synthetic photos of the series kept for tests."""
    misses = []
    for index in range(2):
        rig = Synthesizer(Settings(176)).rig(SEED + 1, index, 3)
        seen = [seen_face(photo) for photo in rig]
        found = METHODS["df-mvr"](MODEL, seen, "per-photo")
        for one, photo in zip(found.photos, rig, strict=True):
            points = MODEL.landmarks(MODEL.vertices(found.identity, one.expression))
            distance = np.linalg.norm(one.camera.project(np.asarray(points, dtype=float)) - photo.landmarks68, axis=1)
            misses.append(distance.mean() / np.sqrt(np.ptp(photo.landmarks68, axis=0).prod()))
    assert np.mean(misses) < 0.05


def test_face_models_that_the_network_does_not_know_are_refused():
    with pytest.raises(UsageError, match="use the method fit"):
        METHODS["df-mvr+refine"](replace(MODEL, name="another", _flat={}), [], "per-photo")


def seen_face(photo):
    low, high = photo.landmarks68.min(axis=0), photo.landmarks68.max(axis=0)
    box = np.concatenate([low, high]).astype(float)
    landmarks = LandmarkNetwork(passes=2, threads=1).landmarks(photo.pixels, box)
    return SeenFace("synthetic", Photo(photo.pixels, None), DetectedFace(box, np.zeros((5, 2)), 1.0), landmarks)
