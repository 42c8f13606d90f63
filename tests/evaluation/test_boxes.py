import numpy as np
import pytest

from facefuse.evaluation.boxes import box_iou, square_box


def test_square_about_a_wide_face():
    points = np.array([[10.0, 40.0], [50.0, 60.0], [30.0, 44.0]])
    np.testing.assert_allclose(square_box(points), [10, 30, 50, 70])


def test_overlap_by_hand():
    box = np.array([0.0, 0, 10, 10])
    others = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [10, 10, 20, 20], [0, 0, 5, 4], [2, 2, 2, 2]], float)
    np.testing.assert_allclose(box_iou(box, others), [1, 50 / 150, 0, 0.2, 0])
    assert box_iou(box, np.zeros((0, 4))).shape == (0,)
    assert box_iou(others[4], others[4:]) == pytest.approx(0)
