"""Albedo statistics: decoding, the file, what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import array_api_compat
import numpy as np
import pytest
from safetensors.numpy import load, save
from small_model import small_model

from facefuse.errors import AssetError
from facefuse.morphable.appearance import Appearance, appearance_to_bytes, read_appearance, with_appearance
from facefuse.morphable.model import FaceModel
from facefuse.morphable.registry import load_model


def some_appearance(model: FaceModel, modes: int = 4) -> Appearance:
    rng = np.random.default_rng(2)
    partner = model.symmetric
    mean = rng.uniform(0.2, 0.6, (model.vertex_count, 3)).astype(np.float32)
    out = rng.normal(0, 0.05, (modes, model.vertex_count, 3))
    sign = np.where(np.arange(modes) % 2, -1.0, 1.0)[:, None, None]
    out = (out + sign * out[:, partner]) / 2
    return Appearance((mean + mean[partner]) / 2, out.astype(np.float16).astype(np.float32))


def written(tmp_path: Path, model: FaceModel) -> tuple[Path, Appearance]:
    appearance, path = some_appearance(model), tmp_path / "albedo.safetensors"
    path.write_bytes(appearance_to_bytes(appearance, model))
    return path, appearance


def test_modes_add_to_the_log_odds() -> None:
    model = with_appearance(small_model(), some_appearance(small_model()))
    coefficients = np.array([0.5, -1.0, 2.0])
    moved = sum(c * m for c, m in zip(coefficients, model.albedo_modes, strict=False))
    wanted = 1 / (1 + np.exp(-(np.log(model.albedo / (1 - model.albedo)) + moved)))
    np.testing.assert_allclose(model.colours(coefficients), wanted, atol=1e-6)
    np.testing.assert_array_equal(model.colours(), model.albedo)
    batch = model.colours(np.stack([coefficients, 0 * coefficients]))
    np.testing.assert_allclose(batch, np.stack([wanted, model.albedo]), atol=1e-6)
    assert model.albedo_count == 4


def test_numpy_and_torch_agree_and_torch_has_gradients() -> None:
    torch = pytest.importorskip("torch")
    model = with_appearance(small_model(), some_appearance(small_model()))
    other = model.to(torch.as_tensor)
    coefficients = torch.tensor([0.2, 0.1, -0.4, 1.0], requires_grad=True)
    colours = other.colours(coefficients)
    assert array_api_compat.is_torch_array(colours)
    np.testing.assert_allclose(colours.detach().numpy(), model.colours(coefficients.detach().numpy()), atol=1e-6)
    colours[3, 1].backward()
    own = model.colours(coefficients.detach().numpy())[3, 1]
    wanted = model.albedo_modes[:, 3, 1] * own * (1 - own)
    np.testing.assert_allclose(coefficients.grad.numpy(), wanted, atol=1e-6)


def test_new_statistics_do_not_decode_with_the_old_ones() -> None:
    model = with_appearance(small_model(), some_appearance(small_model()))
    model.colours(np.ones(2))
    doubled = with_appearance(model, Appearance(model.albedo, 2 * model.albedo_modes))
    odds = [a / (1 - a) for a in (doubled.colours(np.ones(2)), model.albedo)]
    step = np.log(odds[0] / odds[1])
    np.testing.assert_allclose(step, 2 * model.albedo_modes[:2].sum(0), atol=1e-5)


def test_a_model_without_statistics_says_so() -> None:
    model = small_model()
    assert model.albedo_count == 0
    np.testing.assert_array_equal(model.colours(), model.albedo)
    with pytest.raises(ValueError, match="no albedo modes"):
        model.colours(np.zeros(1))


def test_file_round_trip_and_equal_bytes(tmp_path: Path) -> None:
    model = small_model()
    path, appearance = written(tmp_path, model)
    read = read_appearance(path, model)
    np.testing.assert_array_equal(read.mean, appearance.mean)
    np.testing.assert_array_equal(read.modes, appearance.modes)
    assert appearance_to_bytes(appearance, model) == path.read_bytes()


def test_only_mirror_images_can_be_written() -> None:
    model = small_model()
    modes = np.zeros((1, model.vertex_count, 3), np.float32)
    modes[0, 0] = 1
    assert model.symmetric[0] != 0
    with pytest.raises(ValueError, match="mirror image"):
        appearance_to_bytes(Appearance(model.albedo, modes), model)


def test_what_is_refused(tmp_path: Path) -> None:
    model = small_model()
    path, _ = written(tmp_path, model)
    flipped = replace(model, triangles=model.triangles[:, [1, 2, 0]])
    with pytest.raises(AssetError, match="another mesh"):
        read_appearance(path, flipped)
    with pytest.raises(AssetError, match="cannot be read"):
        read_appearance(tmp_path / "absent.safetensors", model)
    (tmp_path / "cut.safetensors").write_bytes(path.read_bytes()[:-40])
    with pytest.raises(AssetError, match="cannot be read"):
        read_appearance(tmp_path / "cut.safetensors", model)
    arrays = load(path.read_bytes())
    for change, message in (
        ({"modes": arrays["modes"][:, :-1]}, "modes have shape"),
        ({"mean": np.full_like(arrays["mean"], np.nan)}, "not finite"),
    ):
        path.write_bytes(save({**arrays, **change}, metadata={"format": "facefuse albedo 1"}))
        with pytest.raises(AssetError, match=message):
            read_appearance(path, model)
    path.write_bytes(save(arrays, metadata={"format": "facefuse face model 1"}))
    with pytest.raises(AssetError, match="expected 'facefuse albedo 1'"):
        read_appearance(path, model)
    del arrays["parity"]
    path.write_bytes(save(arrays, metadata={"format": "facefuse albedo 1"}))
    with pytest.raises(AssetError, match="lacks parity"):
        read_appearance(path, model)


def test_the_base_model_has_people_in_it() -> None:
    model = load_model("base")
    assert model.albedo_count >= 40
    rng = np.random.default_rng(0)
    colours = model.colours(rng.standard_normal((50, model.albedo_count)))
    face = colours[:, np.asarray(model.face_mask)]
    assert (face > 0).all()
    assert (face < 0.9).mean() > 0.99
    luminance = face @ np.array([0.2126, 0.7152, 0.0722])
    tones = np.median(luminance, axis=1)
    assert np.percentile(tones, 90) > 2 * np.percentile(tones, 10)  # from dark skins to fair ones
    redder = (face[..., 0] > face[..., 1]) & (face[..., 1] > face[..., 2])
    assert redder.mean() > 0.9  # skin is red before green before blue, whatever its tone

    def of(region: str) -> np.ndarray:
        return model.colours()[np.unique(model.triangles[model.region_mask(region)])].mean(0)

    assert of("brow_left").mean() < 0.85 * of("forehead").mean()
    lips, cheek = of("lower_lip"), of("face")
    assert lips[0] / lips[1] > 1.1 * cheek[0] / cheek[1]
    assert of("pupil_left").mean() < 0.02 < of("iris_left").mean() < 0.4 * of("sclera_left").mean()
