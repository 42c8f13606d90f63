from __future__ import annotations

import numpy as np

from facefuse.texturing.grain import grain_tiles, strand_coordinates


def test_tiles_are_centred_bounded_and_the_same_every_time() -> None:
    tiles = grain_tiles()
    assert tiles.shape == (2, 256, 256)
    assert np.abs(tiles).max() <= 1.2
    assert np.abs(tiles.mean(axis=(1, 2))).max() < 0.05
    first = tiles.copy()
    grain_tiles.cache_clear()
    np.testing.assert_array_equal(grain_tiles(), first)


def test_strands_leave_the_whorl_and_run_down(sitter) -> None:
    model = sitter.model
    mean = model.mean.astype(float)
    strand = strand_coordinates(mean)
    scalp = np.unique(model.triangles[model.region_mask("scalp")])
    # along the hair: least at the whorl, more at the hairline and the nape
    start = scalp[strand[scalp, 1].argmin()]
    assert mean[start, 1] > np.percentile(mean[scalp, 1], 85)
    assert mean[start, 2] < np.median(mean[scalp, 2]) + 60
    # neighbours are near each other in the tile: no jump anywhere but about the whorl itself
    edges = model.triangles[model.region_mask("scalp")][:, :2]
    jump = np.abs(strand[edges[:, 0], 0] - strand[edges[:, 1], 0])
    length = np.linalg.norm(mean[edges[:, 0]] - mean[edges[:, 1]], axis=1)
    assert np.percentile(jump / length, 95) < 5
    mirrored = strand[model.symmetric]
    assert np.median(np.abs(mirrored - strand)) < 0.5
