r"""Train a face parser::

    python -m facefuse.learning.parsing prepare --rigs DIR --out synthetic.npz
    python -m facefuse.learning.parsing train --synthetic synthetic.npz --wild wild.npz --wild-held wild_held.npz \
        --start runs/landmarks/checkpoint.pt --out runs/parsing/run
    python -m facefuse.learning.parsing export --run-folder runs/parsing/run --out face_parser.onnx
    python -m facefuse.learning.parsing measure --synthetic synthetic.npz --wild-held wild_held.npz

DIR is a folder that ``facefuse synthesize`` wrote; the real photos are labelled by
``python -m facefuse.learning.df_mvr.data.wild``. A run that was interrupted goes on where it stopped when it is started
again.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated

import tyro

from facefuse.learning.df_mvr.data.wild import read_wild
from facefuse.learning.engine.settings import read_settings
from facefuse.learning.parsing.config import PRESETS, ParsingConfig
from facefuse.learning.parsing.faces import read_labelled, synthetic_faces, wild_faces
from facefuse.learning.parsing.runs import Sources, export, measured, start
from facefuse.learning.synthesis.folder import read_photo
from facefuse.morphable.registry import load_model


@dataclass(frozen=True)
class Prepare:
    """Label synthetic photos.

    Attributes
    ----------
    rigs
        Folder of synthetic photos.
    out
        File to write.
    views
        At most so many photos of each person.
    people
        At most so many people.
    """

    rigs: Path
    out: Path
    views: int = 3
    people: int = 2000

    def run(self) -> None:
        """Write the file."""
        stems = (one.stem for one in sorted((self.rigs / "truth").glob("*.safetensors")))
        chosen = islice((one for one in stems if int(one.split("_")[1]) < self.views), self.views * self.people)
        faces = synthetic_faces(load_model("base"), (read_photo(self.rigs, stem) for stem in chosen))
        faces.save(self.out)
        sys.stdout.write(f"{len(faces)} photos\n")


@dataclass(frozen=True)
class Train:
    """Train a parser, or go on with the run in the folder.

    Attributes
    ----------
    synthetic
        From ``prepare``.
    out
        Folder of the run.
    wild, wild_held
        From ``facefuse.learning.df_mvr.data.wild``: real photos to learn from, and held out.
    start
        Checkpoint of a landmark network whose encoder to start from.
    config
        Name of a preset (cpu, gpu, smoke), or a JSON file of settings.
    """

    synthetic: Path
    out: Path
    wild: Path | None = None
    wild_held: Path | None = None
    start: Path | None = None
    config: str = "cpu"

    def run(self) -> None:
        """Train."""
        config = PRESETS[self.config] if self.config in PRESETS else read_settings(ParsingConfig, Path(self.config))
        start(config, Sources(self.synthetic, self.wild, self.wild_held, self.start), self.out)


@dataclass(frozen=True)
class Export:
    """Write the averaged network of a run as ONNX.

    Attributes
    ----------
    run_folder
        Of the run.
    out
        File to write.
    """

    run_folder: Path
    out: Path

    def run(self) -> None:
        """Write the file and say how far it is from PyTorch."""
        sys.stdout.write(f"largest difference of a probability: {export(self.run_folder, self.out):.2e}\n")


@dataclass(frozen=True)
class Measure:
    """Intersection over union of each part, as JSON.

    Attributes
    ----------
    synthetic
        From ``prepare``; the people held out of training are measured.
    wild_held
        Held-out real photos.
    network
        ONNX file; the shipped one if not given.
    held_out
        Synthetic people held out: the last ones.
    """

    synthetic: Path | None = None
    wild_held: Path | None = None
    network: Path | None = None
    held_out: int = ParsingConfig().held_out

    def run(self) -> None:
        """Print the figures."""
        sets = {}
        if self.synthetic is not None:
            faces = read_labelled(self.synthetic)
            sets["synthetic"] = faces.subset(faces.last_people(self.held_out))
        if self.wild_held is not None:
            sets["fitted"] = wild_faces(read_wild(self.wild_held))
        figures = {name: measured(faces, self.network) for name, faces in sets.items()}
        sys.stdout.write(json.dumps(figures, indent=1) + "\n")


Command = (
    Annotated[Prepare, tyro.conf.subcommand("prepare")]
    | Annotated[Train, tyro.conf.subcommand("train")]
    | Annotated[Export, tyro.conf.subcommand("export")]
    | Annotated[Measure, tyro.conf.subcommand("measure")]
)


def main(words: list[str] | None = None) -> None:
    """Run the command line."""
    tyro.cli(Command, args=words).run()  # type: ignore[call-overload]


if __name__ == "__main__":
    main()
