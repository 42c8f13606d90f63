"""Make what synthesis is made from, and pictures of it: ``python -m facefuse.learning.synthesis COMMAND``.

``expressions --aflw FILE --london FILE --out FILE`` learns the statistics of expressions; ``sheet --out FILE`` draws a
contact sheet of photos, ``rigs --out FILE`` one of rigs.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from numpy.typing import NDArray
from PIL import Image
from tyro.conf import OmitSubcommandPrefixes, subcommand

from facefuse.morphable.registry import load_model

from . import expressions
from .generator import Settings, Synthesizer


@dataclass(frozen=True)
class Expressions:
    """Learn the joint statistics of expressions from a face landmarker's scores.

    Attributes
    ----------
    aflw
        mesh_labels.npz of the AFLW photos.
    london
        mesh_labels.npz of the London set, whose faces at rest give the zero of the scores.
    out
        The .safetensors file to write.
    """

    aflw: Path
    london: Path
    out: Path

    def run(self) -> None:
        """Run the command."""
        names = load_model("base").expression_names
        statistics = expressions.learn_from_labels(self.aflw, self.london, names)
        expressions.save(statistics, self.out)
        sys.stdout.write(f"{self.out}: {len(statistics.share)} combinations of {len(statistics.names)} shapes\n")


@dataclass(frozen=True)
class Sheet:
    """Draw a contact sheet of photos.

    Attributes
    ----------
    out
        The picture to write.
    textures, backgrounds
        As of ``facefuse synthesize``.
    real
        Folder of frontal portraits, some of which make a last row for comparison.
    rows, columns, size, seed, first
        Layout; series and number of the first photo.
    """

    out: Path
    real: Path | None = None
    textures: Path | None = None
    backgrounds: Path | None = None
    rows: int = 4
    columns: int = 8
    size: int = 224
    seed: int = 0
    first: int = 0

    def run(self) -> None:
        """Run the command."""
        synthesizer = Synthesizer(Settings(self.size, self.textures, self.backgrounds))
        numbers = range(self.first, self.first + self.rows * self.columns)
        pictures = [synthesizer.photo(self.seed, number).pixels for number in numbers]
        if self.real is not None:
            portraits = sorted(self.real.glob("*.jpg"))
            for file in portraits[:: max(len(portraits) // self.columns, 1)][: self.columns]:
                portrait = Image.open(file).convert("RGB")
                left, top, side = (int(portrait.width * share) for share in (0.13, 0.16, 0.74))
                box = (left, top, left + side, top + side)
                pictures.append(np.asarray(portrait.resize((self.size, self.size), Image.Resampling.LANCZOS, box)))
        _tile(pictures, self.columns, self.out)


@dataclass(frozen=True)
class Rigs:
    """Draw rigs, one person a row: first of one moment, then of several.

    Attributes
    ----------
    out
        The picture to write.
    textures, backgrounds
        As of ``facefuse synthesize``.
    rows, views, size, seed, first
        Layout; series and number of the first person.
    """

    out: Path
    textures: Path | None = None
    backgrounds: Path | None = None
    rows: int = 4
    views: int = 8
    size: int = 224
    seed: int = 0
    first: int = 0

    def run(self) -> None:
        """Run the command."""
        synthesizer = Synthesizer(Settings(self.size, self.textures, self.backgrounds))
        pictures = []
        for row in range(self.rows):
            rig = synthesizer.rig(self.seed, self.first + row, self.views, synchronous=row < self.rows // 2)
            pictures += [photo.pixels for photo in rig]
        _tile(pictures, self.views, self.out)


def _tile(pictures: list[NDArray[np.uint8]], columns: int, out: Path) -> None:
    rows = [np.concatenate(pictures[i : i + columns], axis=1) for i in range(0, len(pictures), columns)]
    Image.fromarray(np.concatenate(rows)).save(out, quality=90)


Command = (
    Annotated[Expressions, subcommand("expressions")]
    | Annotated[Sheet, subcommand("sheet")]
    | Annotated[Rigs, subcommand("rigs")]
)


def main() -> None:
    """Run the command line."""
    tyro.cli(Command, config=(OmitSubcommandPrefixes,)).run()  # type: ignore[arg-type,call-overload]


if __name__ == "__main__":
    main()
