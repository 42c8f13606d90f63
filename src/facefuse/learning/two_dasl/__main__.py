"""Draw set J: ``python -m facefuse.learning.two_dasl --count 4000 --out DATA/synthetic/photos_0.npz``.

Training itself is ``facefuse train 2dasl``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from rich.console import Console
from rich.progress import track

from facefuse.learning.synthesis.generator import Settings, Synthesizer
from facefuse.learning.synthesis.sample import SyntheticPhoto
from facefuse.learning.two_dasl.synthetic import collect, save_sample
from facefuse.morphable.registry import load_model


@dataclass(frozen=True)
class Command:
    """Draw synthetic photos and keep what 2DASL learns from them.

    Attributes
    ----------
    out
        File to write, ``DATA/synthetic/NAME.npz``.
    count
        Number of photos, each of another person.
    textures, backgrounds
        Folder of textures and zip of photos; see `facefuse.learning.synthesis`.
    size
        Side of the photos in pixels.
    seed
        Another seed, other photos.
    """

    out: Path
    count: int = 4000
    textures: Path | None = None
    backgrounds: Path | None = None
    size: int = 160
    seed: int = 1


def main() -> None:
    """Run the command line."""
    command = tyro.cli(Command)
    command.out.parent.mkdir(parents=True, exist_ok=True)
    settings = Settings(size=command.size, textures=command.textures, backgrounds=command.backgrounds)
    synthesizer = Synthesizer(settings)

    def photos() -> Iterator[SyntheticPhoto]:
        for index in track(range(command.count), "drawing", console=Console(stderr=True)):
            yield synthesizer.photo(command.seed, index)

    save_sample(collect(photos(), load_model("base"), np.arange(len(load_model("base").mesh_points))), command.out)


if __name__ == "__main__":
    main()
