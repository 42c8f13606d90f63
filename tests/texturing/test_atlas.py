from __future__ import annotations

import numpy as np

from facefuse.texturing.atlas import atlas_of, build_atlas, mirror_corners


def test_mirror_partner_of_a_texel_is_the_point_on_the_other_side(sitter) -> None:
    model = sitter.model
    atlas = build_atlas(model, 256)
    texels = np.arange(len(atlas.texel))
    position = atlas.interpolate(model.mean.astype(float), model.triangles, texels)
    skin = model.region_mask("face", "forehead", "nose", "ear_left", "ear_right")[atlas.triangle]
    assert (atlas.mirror[skin] >= 0).mean() > 0.98
    paired = np.flatnonzero(skin & (atlas.mirror >= 0))
    error = np.linalg.norm(position[atlas.mirror[paired]] * [-1, 1, 1] - position[paired], axis=1)
    assert np.median(error) < 0.5  # a texel is about 0.7 mm here
    assert np.percentile(error, 99) < 4


def test_texels_and_numbers_are_inverse_and_cover_most_of_the_atlas(sitter) -> None:
    atlas = build_atlas(sitter.model, 128)
    np.testing.assert_array_equal(atlas.number.reshape(-1)[atlas.texel], np.arange(len(atlas.texel)))
    assert (atlas.number >= 0).sum() == len(atlas.texel) > 0.6 * 128**2
    np.testing.assert_allclose(atlas.barycentric.sum(1), 1, atol=1e-5)


def test_atlas_is_built_once(sitter) -> None:
    assert atlas_of(sitter.model, 64) is atlas_of(sitter.model, 64)
    assert atlas_of(sitter.model, 64) is not atlas_of(sitter.model, 65)


def test_mirror_corners_of_two_facing_triangles() -> None:
    triangles = np.array([[0, 1, 2], [4, 3, 2]])
    uv_triangles = np.array([[10, 11, 12], [14, 13, 15]])
    got = mirror_corners(triangles, uv_triangles, np.array([3, 4, 2, 0, 1]))
    # vertex 0's partner is 3, which the second triangle's corner 13 shows; and so on
    np.testing.assert_array_equal(got, [[13, 14, 15], [11, 10, 12]])
    alone = mirror_corners(triangles[:1], uv_triangles[:1], np.array([3, 4, 2, 0, 1]))
    np.testing.assert_array_equal(alone, [[-1, -1, -1]])
