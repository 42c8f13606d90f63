from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from engine_sample import TINY, TinyTask  # noqa: E402

from facefuse.errors import UsageError  # noqa: E402
from facefuse.learning.engine.distributed import SharedBatchNorm2d, World, share_batch_norm  # noqa: E402
from facefuse.learning.engine.trainer import train  # noqa: E402

_WORKER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from engine_sample import TINY, TinyTask
from facefuse.learning.engine.distributed import join_world, leave_world
from facefuse.learning.engine.trainer import train
world = join_world("cpu")
train(TinyTask(TINY, dropout=0.0), TINY, Path(sys.argv[1]), world)
leave_world(world)
"""


def rows(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_two_processes_learn_what_one_learns_from_the_whole_batch(tmp_path: Path) -> None:
    worker = tmp_path / "worker.py"
    worker.write_text(_WORKER)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    arguments = [str(worker), str(tmp_path / "two"), str(Path(__file__).parent)]
    subprocess.run([*launcher, *arguments], check=True, capture_output=True, timeout=240)
    train(TinyTask(TINY, dropout=0.0), TINY, tmp_path / "one", World())
    one, two = rows(tmp_path / "one"), rows(tmp_path / "two")
    assert [row["step"] for row in two] == [1, 2, 3, 4]
    for a, b in zip(one, two, strict=True):
        for name in ("loss_net", "loss_other", "plain"):
            assert b[name] == pytest.approx(a[name], rel=2e-4), name
    weights = [torch.load(tmp_path / d / "checkpoint.pt", weights_only=True) for d in ("one", "two")]
    for name, value in weights[0]["networks"]["net"].items():
        assert torch.allclose(value.float(), weights[1]["networks"]["net"][name].float(), atol=1e-4), name


def test_shards_are_divided_evenly_or_refused() -> None:
    parts = [list(World(rank, 2).shards(6)) for rank in range(2)]
    assert sorted(parts[0] + parts[1]) == list(range(6))
    with pytest.raises(UsageError, match="cannot be divided"):
        World(0, 4).shards(6)


def test_alone_nothing_is_averaged() -> None:
    value = torch.tensor([3.0])
    World().average([value])
    assert float(value) == 3.0
    assert World().agree(True)
    assert not World().agree(False)


def test_shared_batch_norm_alone_is_plain_batch_norm() -> None:
    task = TinyTask(replace(TINY, seed=8))
    x = torch.randn(4, 3, 8, 8)
    task.net.eval()
    before = task.net(x)
    share_batch_norm(task.net)
    assert any(isinstance(part, SharedBatchNorm2d) for part in task.net.modules())
    assert torch.equal(task.net(x), before)
