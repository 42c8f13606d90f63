"""The command line as people meet it: words, exit codes, streams."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

import facefuse
from facefuse.cli.commands import parse
from facefuse.cli.detect import Detect
from facefuse.cli.evaluate import Evaluate, EvaluateAflw2000, EvaluateScan
from facefuse.cli.main import main
from facefuse.cli.models import ListModels, Models, ShowModel
from facefuse.cli.reconstruct import Demo, Reconstruct
from facefuse.errors import AssetError, ImageReadError, NoFaceFound, UsageError


def facefuse_process(words: Sequence[str], **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "facefuse", *words], capture_output=True, text=True, check=False, **options
    )


DEFAULTS = Reconstruct(("a.jpg",), "out")


@pytest.mark.parametrize(
    ("words", "command"),
    [
        ("reconstruct a.jpg --out out", DEFAULTS),
        ("reconstruct --out out a.jpg b.jpg", replace(DEFAULTS, photos=("a.jpg", "b.jpg"))),
        ("reconstruct a.jpg b.jpg --out out --method fit", replace(DEFAULTS, photos=("a.jpg", "b.jpg"), method="fit")),
        ("reconstruct --out out -- -a.jpg", replace(DEFAULTS, photos=("-a.jpg",))),
        ("reconstruct a.jpg --out out --expression shared", replace(DEFAULTS, expression="shared")),
        ("reconstruct a.jpg --out out --face 1", replace(DEFAULTS, face="1")),
        ("reconstruct a.jpg --out out --formats glb,ply", replace(DEFAULTS, formats="glb,ply")),
        ("reconstruct a.jpg --out out --texture-size 512", replace(DEFAULTS, texture_size=512)),
        ("reconstruct a.jpg --out out --maps depth,uv", replace(DEFAULTS, maps="depth,uv")),
        (
            "reconstruct a.jpg --out out --model base --posed --json --quiet",
            replace(DEFAULTS, posed=True, json=True, quiet=True),
        ),
        ("detect a.jpg b.jpg", Detect(("a.jpg", "b.jpg"))),
        ("detect a.jpg --json", Detect(("a.jpg",), json=True)),
        ("demo --out out", Demo("out")),
        ("models list", Models(ListModels())),
        ("models show base", Models(ShowModel("base"))),
        ("evaluate aflw2000 --data d.zip", Evaluate(EvaluateAflw2000("d.zip"))),
        (
            "evaluate aflw2000 --data d --method fit --boxes detector --json",
            Evaluate(EvaluateAflw2000("d", "fit", "detector", json=True)),
        ),
        (
            "evaluate scan --prediction p.ply --scan s.obj --landmarks l.txt --json",
            Evaluate(EvaluateScan("p.ply", "s.obj", "l.txt", json=True)),
        ),
    ],
)
def test_words_become_commands(words: str, command: object) -> None:
    assert parse(words.split()) == command


@pytest.mark.parametrize(
    "words",
    [
        "",
        "reconstruct a.jpg",
        "reconstruct --out out",
        "reconstruct a.jpg --out out --method guess",
        "reconstruct a.jpg --out out --expression some",
        "reconstruct a.jpg --out out --face big",
        "reconstruct a.jpg --out out --formats fbx",
        "reconstruct a.jpg --out out --texture-size big",
        "reconstruct a.jpg --out out --texture-size 9",
        "reconstruct a.jpg --out out --model nobody",
        "reconstruct a.jpg --out out --colour",
        "detect",
        "demo",
        "models",
        "models show",
        "models show nobody",
        "evaluate",
        "evaluate aflw2000",
        "evaluate scan --prediction p.ply",
        "rebuild a.jpg",
    ],
)
def test_wrong_usage_exits_with_2_and_says_so_on_stderr(
    words: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        code: object = main(words.split())
    except SystemExit as ended:
        code = ended.code
    said = capsys.readouterr()
    assert code == 2
    assert said.out == ""
    assert said.err.strip()
    assert list(tmp_path.iterdir()) == []


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"facefuse {facefuse.__version__}\n"


@pytest.mark.parametrize("words", [["--help"], ["reconstruct", "--help"], ["evaluate", "aflw2000", "--help"]])
def test_help(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 0
    assert "usage: facefuse" in capsys.readouterr().out


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom facefuse.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'numpy', 'numba', 'scipy', 'onnxruntime', 'trimesh', 'PIL'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


class _Raising:
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def run(self) -> int:
        raise self.error


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (UsageError("two noses"), 2, "error: two noses\n"),
        (ImageReadError("a.jpg", "is empty"), 3, "error: a.jpg: is empty\n"),
        (NoFaceFound("a.jpg: no face"), 3, "error: a.jpg: no face\n"),
        (AssetError("reinstall"), 1, "error: reinstall\n"),
        (
            MemoryError(),
            1,
            "error: there is not enough memory; use fewer or smaller photos, or a smaller --texture-size\n",
        ),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
)
def test_exit_codes(
    error: BaseException,
    code: int,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("facefuse.cli.commands.parse", lambda words: _Raising(error))
    assert main(["detect"]) == code
    assert capsys.readouterr() == ("", says)


def test_errors_that_are_ours_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facefuse.cli.commands.parse", lambda words: _Raising(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        main(["detect"])


def test_a_broken_pipe_is_quiet() -> None:
    code = (
        "import sys\nfrom facefuse.cli import commands, main, terminal\n"
        "class Chatty:\n"
        "    def run(self):\n"
        "        for _ in range(100000):\n            terminal.result('x' * 80)\n"
        "        return 0\n"
        "commands.parse = lambda words: Chatty()\n"
        "sys.exit(main.main(['detect']))"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141


def test_models(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list"]) == 0
    assert capsys.readouterr().out.startswith("base ")
    assert main(["models", "show", "base"]) == 0
    shown = capsys.readouterr().out
    assert "jawOpen" in shown
    assert "licence" in shown
