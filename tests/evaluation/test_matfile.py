import io

import numpy as np
import pytest
import scipy.io
from aflw_files import mat_bytes

from facefuse.evaluation.matfile import read_mat5

RNG = np.random.default_rng(0)
ARRAYS = {
    "single": RNG.normal(size=(3, 5)).astype(np.float32),
    "double": RNG.normal(size=(2, 3, 4)),
    "small": np.array([[7]], np.uint8),
    "integers": np.arange(-3, 9, dtype=np.int16).reshape(4, 3),
    "empty": np.zeros((0, 3)),
}
OTHERS = {"text": "abc", "complex": np.array([[1j]]), "cell": np.array([[1, "a"]], dtype=object), "record": {"x": 1}}


@pytest.mark.parametrize("compressed", [False, True])
def test_agrees_with_what_was_saved(compressed):
    file = io.BytesIO()
    scipy.io.savemat(file, {**ARRAYS, **OTHERS}, do_compression=compressed)
    found = read_mat5(file.getvalue())
    assert set(found) == set(ARRAYS)
    for name, values in ARRAYS.items():
        np.testing.assert_array_equal(found[name], values)


def test_agrees_with_another_reader_on_published_files(shared_data):
    from facefuse.evaluation.files import FileCollection

    files = FileCollection(shared_data / "aflw2000" / "AFLW2000-3D.zip")
    for name in [name for name in files.names if name.endswith(".mat")][::101]:
        content = files.read(name)
        for key, values in read_mat5(content).items():
            np.testing.assert_array_equal(values, scipy.io.loadmat(io.BytesIO(content))[key])


GOOD = mat_bytes(**ARRAYS)


@pytest.mark.parametrize(
    "content",
    [b"", b"MATLAB 5.0", GOOD[:300], GOOD[:-3], b"\x89HDF\r\n\x1a\n" + bytes(600), bytes(128), GOOD[:128] + bytes(5)],
)
def test_other_content_is_refused(content):
    with pytest.raises(ValueError, match=r"MATLAB 5|cut short"):
        read_mat5(content)


@pytest.mark.parametrize("good", [GOOD, mat_bytes(do_compression=True, **ARRAYS)])
def test_damaged_files_raise_nothing_else(good):
    refused = 0
    for _ in range(400):
        damaged = bytearray(good)
        for at in RNG.integers(124, len(good), 3):
            damaged[at] = RNG.integers(256)
        try:
            assert all(isinstance(values, np.ndarray) for values in read_mat5(bytes(damaged)).values())
        except ValueError:
            refused += 1
    assert refused > 50


def test_a_compression_bomb_is_refused(monkeypatch):
    content = mat_bytes(do_compression=True, zeros=np.zeros((1000, 100)))
    assert len(content) < 5000
    monkeypatch.setattr("facefuse.evaluation.matfile._MAX_ARRAY_BYTES", 100_000)
    with pytest.raises(ValueError, match="too large"):
        read_mat5(content)
