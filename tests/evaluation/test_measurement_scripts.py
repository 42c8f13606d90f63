import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


def run(name, *arguments):
    sys_argv, sys.argv = sys.argv, [name, *map(str, arguments)]
    try:
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(SCRIPTS / name), run_name="__main__")
    finally:
        sys.argv = sys_argv
    return end.value.code


def test_without_data_nothing_is_reported(tmp_path, capsys):
    assert run("measure_reconstruction.py", tmp_path) == 0
    assert run("draw_failures.py", tmp_path, tmp_path / "out") == 0
    assert capsys.readouterr().out == ""


def test_false_alarms_are_reported_from_the_folder_given(tmp_path, capsys):
    folder = tmp_path / "photos" / "no_face"
    folder.mkdir(parents=True)
    Image.fromarray(np.full((80, 80, 3), 90, np.uint8)).save(folder / "grey.png")
    assert run("measure_detection.py", tmp_path) == 0
    report = capsys.readouterr().out
    assert "| network | 1 of no_face | 0 |" in report
    assert "Landmarks, one face, one thread" in report
