import numpy as np
import pytest
from PIL import Image

from facefuse.detection.adapters.yunet import YuNetDetector, to_square
from facefuse.detection.faces import FaceNetwork
from facefuse.errors import AssetError


def test_the_square_is_lower_and_about_as_large_as_the_box():
    square = to_square(np.array([[50.0, 60.0, 32.0, 50.0]]))[0]
    np.testing.assert_allclose(square, [50.0, 60.0 + 0.09 * 50.0, 0.95 * 40.0])


def test_missing_file():
    with pytest.raises(AssetError, match="does not exist"):
        YuNetDetector("absent.onnx")


def test_agrees_with_the_built_in_detector(shared_data):
    with Image.open(shared_data / "photos" / "formats" / "hopper.png") as image:
        pixels = np.asarray(image.convert("RGB"))
    file = next((shared_data / "adapters").glob("*yunet*.onnx"))
    theirs, ours = YuNetDetector(file, threads=1).detect(pixels), FaceNetwork(threads=1).detect(pixels)
    assert len(theirs) == 1
    side = ours[0].box[2] - ours[0].box[0]
    assert np.abs(theirs[0].box - ours[0].box).max() < 0.2 * side
    assert np.abs(theirs[0].points5 - ours[0].points5).max() < 0.12 * side


def test_another_network_is_refused(shared_data, tmp_path):
    file = next((shared_data / "adapters").glob("*yunet*.onnx"))
    with pytest.raises(AssetError, match="another network"):
        FaceNetwork(file)
