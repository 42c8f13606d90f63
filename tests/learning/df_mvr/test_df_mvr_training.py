from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from facefuse.cli.main import main  # noqa: E402
from facefuse.errors import UsageError  # noqa: E402
from facefuse.geometry.rotations import euler_to_rotmat  # noqa: E402
from facefuse.learning.df_mvr import rigs as rigs_module  # noqa: E402
from facefuse.learning.df_mvr.commands import make_network, wild_people  # noqa: E402
from facefuse.learning.df_mvr.common import common_visibility  # noqa: E402
from facefuse.learning.df_mvr.config import PRESETS, DataConfig, DfMvrConfig  # noqa: E402
from facefuse.learning.df_mvr.faces import FaceDecoder, euler_matrix, scaled  # noqa: E402
from facefuse.learning.df_mvr.multiview_set import SEED  # noqa: E402
from facefuse.learning.df_mvr.n_view import NViewOutput, voted_points  # noqa: E402
from facefuse.learning.df_mvr.network import DeepFusionConfig, DeepFusionOutput  # noqa: E402
from facefuse.learning.df_mvr.parts import PARTS  # noqa: E402
from facefuse.learning.df_mvr.placing import POSE, PointModel  # noqa: E402
from facefuse.learning.df_mvr.rigs import UNKNOWN, Symmetry, draw, made_up_rigs, read_rigs, whole  # noqa: E402
from facefuse.learning.df_mvr.task import MultiviewTask, vertex_parts  # noqa: E402
from facefuse.learning.engine.settings import to_json  # noqa: E402
from facefuse.learning.rendering import RenderMesh, render  # noqa: E402
from facefuse.learning.synthesis.folder import Series, synthesize  # noqa: E402
from facefuse.morphable.registry import load_model  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")

MODEL = load_model()
VOTED = len(voted_points(MODEL))
SMOKE = PRESETS["smoke"]
TINY = replace(SMOKE, engine=replace(SMOKE.engine, steps=2, log_every=1, validate_every=2, images_every=2))
PUBLISHED = replace(
    TINY,
    kind="deep-fusion",
    deep_fusion=DeepFusionConfig(width=0.25, blocks=(1, 1, 1, 1)),
)


@pytest.fixture(scope="module")
def rigs():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rigs_module, "MADE_UP_PEOPLE", 3)
        return made_up_rigs(MODEL, 3, seed=5)


def n_view_output(people=1, views=2):
    zero = torch.zeros
    return NViewOutput(
        zero(people, MODEL.identity_count),
        zero(people, MODEL.albedo_count),
        zero(people, views, MODEL.expression_count),
        zero(people, views, POSE),
        zero(people, views, 3, 9),
        zero(people, views, len(PARTS), 4, 4),
        zero(people, views, VOTED, 2),
        zero(people, views, VOTED),
        zero(people, views, VOTED, 2),
        zero(people, views, 1, VOTED, 2),
    )


def test_both_networks_begin_with_a_face_that_fills_the_crop():
    decoder = FaceDecoder(MODEL)
    out = DeepFusionOutput(
        torch.zeros(1, 80), torch.zeros(1, 40), torch.zeros(1, 0), torch.zeros(1, 3, 9), *torch.zeros(2, 1, 3, 3)
    )
    for faces in (decoder.of_n_view(n_view_output()), decoder.of_deep_fusion(out)):
        points = scaled(faces.cameras, 224).screen(decoder.points(faces))[0, :68, :2]
        width = float(points[16, 0] - points[0, 0])
        assert 90 < width < 200
        assert points[45, 0] > points[36, 0]  # the subject's left is at the image's right
        assert points[8, 1] > points[27, 1]
        middle = (points.min(dim=0).values + points.max(dim=0).values) / 2
        assert (middle - 111.5).abs().max() < 30
        assert points.min() > 5
        assert points.max() < 219


def test_pose_and_distance_of_the_published_camera():
    decoder = FaceDecoder(MODEL)
    angles = torch.zeros(1, 3, 3)
    angles[0, 0, 1] = 0.5  # about y: the face turns to the subject's left
    moved = torch.zeros(1, 3, 3)
    moved[0, 1, 2] = 5.0  # five decimetres nearer
    out = DeepFusionOutput(torch.zeros(1, 8), torch.zeros(1, 4), torch.zeros(1, 0), torch.zeros(1, 3, 9), angles, moved)
    faces = decoder.of_deep_fusion(out)
    points = scaled(faces.cameras, 224).screen(decoder.points(faces)[:, :68])
    turned, near, plain = points
    middle = (plain[36, 0] + plain[45, 0]) / 2
    assert turned[30, 0] - (turned[36, 0] + turned[45, 0]) / 2 > plain[30, 0] - middle + 5
    spread = [float(p[45, 0] - p[36, 0]) for p in (near, plain)]
    assert spread[0] == pytest.approx(2 * spread[1], rel=0.1)
    assert float(plain[30, 2]) == pytest.approx(1000, abs=150)


def test_euler_angles_are_rotations_about_z_y_and_x():
    angles = torch.randn(5, 3, dtype=torch.float64)
    expected = []
    for x, y, z in angles.numpy():
        rx = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
        ry = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
        rz = np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]])
        expected.append(rz @ ry @ rx)
    np.testing.assert_allclose(euler_matrix(angles).numpy(), np.stack(expected), atol=1e-12)


def test_part_weights_sum_to_one_at_every_vertex():
    weights = vertex_parts(MODEL)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)
    tip = MODEL.landmarks68[30][np.argmax(MODEL.landmarks68_weights[30])]
    assert weights[tip, PARTS.index("nose")] == 1


@pytest.mark.parametrize("aligned", [False, True])
def test_points_and_parts_of_a_crop_belong_to_its_pixels(rigs, aligned):
    config = DataConfig(views=3, size=96, mirror=0.5)
    symmetry = Symmetry.of(MODEL)
    batch = draw(rigs, 3, 3, config, np.random.default_rng(0), aligned=aligned, symmetry=symmetry)
    assert batch.present.all()
    labels = batch.parts[batch.parts != UNKNOWN]
    assert set(np.unique(labels)) <= set(range(len(PARTS)))
    hits, count = 0, 0
    for crop_points, known, parts in zip(
        batch.points.reshape(-1, 536, 2), batch.known.reshape(-1, 536), batch.parts.reshape(-1, 96, 96), strict=True
    ):
        for name, index in (("nose", 30), ("mouth", 62), ("eye_right", 37), ("eye_left", 44)):
            x, y = np.rint(crop_points[index]).astype(int)
            if known[index] == 1 and 2 <= x < 94 and 2 <= y < 94:
                near = parts[y - 2 : y + 3, x - 2 : x + 3]
                hits += bool(np.isin(near, [PARTS.index(name), *((8, 9) if name == "mouth" else ())]).any())
                count += 1
    assert count >= 4
    assert hits >= 0.9 * count


def test_batches_are_functions_of_the_step_and_take_any_number_of_views(rigs):
    task = MultiviewTask(TINY, make_network(TINY, MODEL), MODEL, rigs, "cpu")
    one, again, other = task.batch(3, [0]), task.batch(3, [0]), task.batch(4, [0])
    np.testing.assert_array_equal(one.crops, again.crops)
    assert one.crops.shape != other.crops.shape or (one.crops != other.crops).any()
    shapes = {task.batch(step, [0]).present.shape for step in range(12)}
    assert shapes == {(6, 1), (3, 2), (2, 3)}
    few = draw(rigs, 2, 5, TINY.data, np.random.default_rng(0), symmetry=Symmetry.of(MODEL))
    assert few.present.sum(axis=1).tolist() == [3, 3]
    assert (few.known[~few.present] == 0).all()
    assert whole(rigs, 2, TINY.data).present.all()


def test_a_mirrored_person_is_the_mirror_image(rigs):
    symmetry = Symmetry.of(MODEL)
    view, face = rigs[0].views[1], rigs[0].face
    image = symmetry.mirrored_view(view)
    width = view.pixels.shape[1]
    np.testing.assert_allclose(image.points[36], [width - 1 - view.points[45, 0], view.points[45, 1]], atol=1e-4)
    again = symmetry.mirrored_view(image)
    np.testing.assert_array_equal(again.pixels, view.pixels)
    np.testing.assert_allclose(again.points, view.points, atol=1e-3)
    np.testing.assert_array_equal(again.parts, view.parts)
    mean = MODEL.mean[np.asarray(MODEL.face_mask)]
    np.testing.assert_allclose(symmetry.mirrored_face(mean), mean, atol=0.6)
    np.testing.assert_array_equal(symmetry.mirrored_face(symmetry.mirrored_face(face)), face)


def test_what_is_seen_by_all_views_counts_fully():
    """Of a frontal and a profile view, both see the nose; the far cheek is the frontal one's alone."""
    decoder, mesh = FaceDecoder(MODEL), RenderMesh.of_model(MODEL)
    out = n_view_output(1, 3)
    turn = torch.tensor(euler_to_rotmat(np.array(80.0), np.array(0.0), np.array(0.0)), dtype=torch.float32)
    out.pose[0, 1, :6] = turn[:2].flatten() - torch.tensor([1.0, 0, 0, 0, -1.0, 0])
    faces = decoder.of_n_view(out)
    drawn = render(decoder.vertices(faces), scaled(faces.cameras, 96), mesh, 96, 96)
    share = common_visibility(drawn, mesh.triangles, torch.tensor([[True, True, False]]))
    assert float(share[:2].max()) == 1.0
    assert set(np.unique(share[0][drawn.coverage.mask[0]].numpy().round(3))) >= {0.5, 1.0}
    points = scaled(faces.cameras, 96).screen(decoder.points(faces))[0, :, :2].round().long()
    near, far = (share[0, points[k, 1], points[k, 0] + step] for k, step in ((15, -8), (1, 8)))
    assert {float(near), float(far)} == {0.5, 1.0}
    assert (share[0][~drawn.coverage.mask[0]] == 0).all()


def test_points_of_the_network_and_of_the_head_are_the_same():
    decoder = FaceDecoder(MODEL)
    rng = torch.Generator().manual_seed(0)
    out = n_view_output(2, 2)
    for part in (out.identity, out.expression, out.pose):
        part.normal_(generator=rng).mul_(0.5)
    faces = decoder.of_n_view(out)
    model = PointModel(MODEL, np.arange(len(MODEL.mesh_points)))
    at = model.points(faces.identity.repeat_interleave(2, dim=0), faces.expression)
    heads = decoder.vertices(faces)
    torch.testing.assert_close(at[:, :68], decoder.model.landmarks(heads), atol=2e-3, rtol=1e-4)
    torch.testing.assert_close(at[:, 68:], decoder.model.mesh_landmarks(heads), atol=2e-3, rtol=1e-4)


def test_a_far_camera_is_orthographic_and_a_near_one_enlarges_the_nose():
    model = PointModel(MODEL, np.arange(0))
    still = model.points(torch.zeros(3, 1), torch.zeros(3, 1))
    pose = torch.zeros(3, POSE)
    pose[:, 9] = torch.tensor([-60.0, 0.0, 4.0])
    cameras = model.cameras(pose)
    far, typical, near = cameras.screen(still)[..., :2]
    flat = still[0, :, :2] * torch.tensor([1.0, -1.0]) * (cameras.focal[0] / cameras.translation[0, 2])
    torch.testing.assert_close(far - far[30], flat - flat[30], atol=1e-4, rtol=1e-3)
    nose = [float(p[35, 0] - p[31, 0]) for p in (far, typical, near)]
    assert nose[0] < nose[1] < nose[2]
    torch.testing.assert_close(typical, model.cameras(pose[1:2]).screen(still[:1])[0, :, :2])


def test_some_of_the_views_must_tell_what_all_of_them_show(rigs):
    torch.manual_seed(0)
    config = replace(TINY, losses=replace(TINY.losses, fewer=0.5, unseen=1.0), data=replace(TINY.data, least_views=3))
    network = make_network(config, MODEL).train()
    task = MultiviewTask(config, network, MODEL, rigs, "cpu")
    batch = task.batch(0, [0])
    assert batch.present.shape[1] == 3
    assert ((batch.some.sum(axis=1) >= 1) & (batch.some.sum(axis=1) <= 2)).all()
    assert not (batch.some & ~batch.present).any()
    parts = task.losses(batch, 0).parts
    for name in ("fewer", "unseen"):
        (gradient,) = torch.autograd.grad(parts[name], network.shared_head.bias, retain_graph=True)
        assert gradient[: network.config.identity].abs().max() > 0, name
    # the views that are left out are looked at for where the camera stands, not for who it is
    out = network.eval()(torch.from_numpy(batch.crops), torch.from_numpy(batch.some))
    hidden = torch.from_numpy(np.where(batch.some[..., None, None, None], batch.crops, 0))
    torch.testing.assert_close(network(hidden, torch.from_numpy(batch.some)).identity, out.identity)


def test_people_in_the_wild_are_mixed_in_and_have_no_3d_truth(rigs):
    nowhere = [replace(rig, face=np.full_like(rig.face, np.nan)) for rig in rigs]
    data = replace(TINY.data, wild=0.9, least_views=2)
    config = replace(TINY, data=data, losses=replace(TINY.losses, landmarks3d=1.0))
    task = MultiviewTask(config, make_network(config, MODEL), MODEL, rigs, "cpu", nowhere)
    batch = task.batch(1, [0])
    known = np.isfinite(batch.face).all(axis=(1, 2))
    assert known.any()
    assert not known.all()
    assert torch.isfinite(task.losses(batch, 0).objectives["regressor"])
    assert np.isfinite(list(task.validate(task.network).values())).all()
    with pytest.raises(UsageError, match=r"wild\.npz"):
        wild_people(config, MODEL, None)


@pytest.mark.parametrize("config", [TINY, PUBLISHED])
def test_every_term_moves_the_network(rigs, config):
    torch.manual_seed(0)
    network = make_network(config, MODEL).train()
    task = MultiviewTask(config, network, MODEL, rigs, "cpu")
    batch = task.batch(0, [0])
    parts = task.losses(batch, config.mask_from).parts
    wanted = {"landmarks", "mesh", "coefficients", "light", "photometric", "mask"}
    assert wanted - set(parts) <= ({"mesh"} if not config.losses.mesh else set())
    assert ({"found", "votes", "sigma", "earlier"} <= set(parts)) == (config.kind == "n-view")
    assert "landmarks3d" not in parts  # weak supervision
    for name, value in parts.items():
        gradients = torch.autograd.grad(value, list(network.parameters()), retain_graph=True, allow_unused=True)
        assert any(g is not None and g.abs().max() > 0 for g in gradients), name
    late = replace(config, mask_from=10)
    assert "mask" not in MultiviewTask(late, network, MODEL, rigs, "cpu").losses(batch, 9).parts


def test_albedo_is_learnt_where_the_model_has_modes_of_it(rigs):
    modes = np.random.default_rng(0).normal(scale=0.3, size=(4, MODEL.vertex_count, 3)).astype(np.float32)
    model = replace(MODEL, albedo_modes=modes, _flat={})
    config = replace(TINY, losses=replace(TINY.losses, reflectance=5.0))
    network = make_network(config, model).train()
    assert network.config.albedo == 4
    torch.nn.init.normal_(network.shared_head.bias, std=0.5)
    task = MultiviewTask(config, network, model, rigs, "cpu")
    parts = task.losses(task.batch(0, [0]), 0).parts
    place = slice(network.config.identity, network.config.identity + 4)
    for name in ("photometric", "reflectance"):
        (gradient,) = torch.autograd.grad(parts[name], network.shared_head.bias, retain_graph=True)
        assert (gradient[place].abs() > 0).all(), name


def test_the_mask_loss_knows_where_the_outline_belongs(rigs):
    """The gradient of the mask loss in the pose points from a shifted face to its place."""
    config = replace(TINY, data=replace(TINY.data, log_scale=0.0, shift=0.0, roll_deg=0.0, rendered=96))

    class Shifted(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.shift = torch.nn.Parameter(torch.zeros(()))

        def forward(self, crops, present):
            out = n_view_output(*crops.shape[:2])
            return out._replace(pose=out.pose + self.shift * torch.eye(POSE)[7])

    network = Shifted()
    task = MultiviewTask(config, network, MODEL, rigs, "cpu")
    batch = whole(rigs, 3, config.data)
    slopes = []
    for shift in (-1.2, 1.2):
        network.shift.data.fill_(shift)
        (gradient,) = torch.autograd.grad(task.losses(batch, 0).parts["mask"], network.shift)
        slopes.append(float(gradient))
    assert slopes[0] < 0 < slopes[1]


def test_3d_truth_is_used_only_where_it_is_asked_for(rigs):
    config = replace(TINY, losses=replace(TINY.losses, landmarks3d=1.0))
    task = MultiviewTask(config, make_network(config, MODEL), MODEL, rigs, "cpu")
    batch = task.batch(0, [0])
    assert 0.5 < float(task.losses(batch, 0).parts["landmarks3d"].detach()) < 8
    changed = replace(batch, face=batch.face * [1.0, 1.3, 1.0])
    weak = MultiviewTask(TINY, task.network, MODEL, rigs, "cpu")
    torch.manual_seed(0)
    one = weak.losses(batch, 0).objectives["regressor"]
    other = weak.losses(replace(changed, face=changed.face.astype(np.float32)), 0).objectives["regressor"]
    torch.testing.assert_close(one, other)


@pytest.mark.parametrize("config", [TINY, PUBLISHED])
def test_train_resume_and_export_from_the_command_line(tmp_path: Path, config: DfMvrConfig, monkeypatch) -> None:
    monkeypatch.setattr(rigs_module, "MADE_UP_PEOPLE", 3)
    settings, out = tmp_path / "settings.json", tmp_path / "run"
    settings.write_text(to_json(config))
    assert main(["train", "df-mvr", "--config", str(settings), "--out", str(out)]) == 0
    assert json.loads((out / "run.json").read_text())["method"] == "df-mvr"
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2]
    assert {"face_rms_3", "face_rms_mean"} <= set(lines[-1])
    assert main(["train", "--resume", str(out)]) == 0
    exported = main(["export-onnx", str(out), "--out", str(tmp_path / "net.onnx")])
    assert exported == (0 if config.kind == "n-view" else 2)
    assert (tmp_path / "net.onnx").exists() == (exported == 0)


def test_folders_of_synthetic_people_are_read_and_the_test_series_refused(tmp_path):
    synthesize(tmp_path / "some", Series(seed=3, views=2, size=64), 2, jobs=1)
    found = read_rigs(tmp_path / "some", MODEL)
    assert [len(rig.views) for rig in found] == [2, 2]
    assert found[0].face.shape == (int(np.asarray(MODEL.face_mask).sum()), 3)
    synthesize(tmp_path / "test", Series(seed=SEED, views=1, size=64), 1, jobs=1)
    with pytest.raises(UsageError, match="kept for testing"):
        read_rigs(tmp_path / "test", MODEL)


def test_settings_that_do_not_go_together():
    with pytest.raises(UsageError, match="three views"):
        make_network(replace(PUBLISHED, data=replace(PUBLISHED.data, views=2)), MODEL)
    nameless = replace(MODEL, region_names=tuple(f"part_{k}" for k in range(len(MODEL.region_names))))
    with pytest.raises(UsageError, match=r"losses\.mask to 0"):
        make_network(TINY, nameless)


def test_the_paper_preset_says_what_the_paper_says():
    paper = PRESETS["paper"]
    assert paper.losses.photometric == 24
    assert paper.losses.landmarks3d == paper.losses.mesh == 0
    assert paper.deep_fusion == DeepFusionConfig()
    assert (paper.optim.kind, paper.optim.learning_rate, paper.optim.final_rate) == ("adam", 1e-4, 0.01)
    assert (paper.data.crops, paper.data.size, paper.data.views) == (72, 224, 3)
