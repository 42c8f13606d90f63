"""Textures and statistics of real faces: ``python -m facefuse.learning.appearance --help``."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import tyro
from PIL import Image

from facefuse.learning.appearance.build import build
from facefuse.learning.appearance.files import plain_model, read_looks, write_looks
from facefuse.learning.appearance.measure import measure
from facefuse.learning.appearance.observe import look_at
from facefuse.learning.appearance.plate import draw_plate
from facefuse.learning.appearance.textures import smiling, study, texture_of
from facefuse.morphable.appearance import appearance_to_bytes
from facefuse.morphable.registry import load_model


def textures(london: Path, out: Path, size: int = 512) -> None:
    """Write one texture per person (albedo in the base model's UV, sRGB, every texel filled), and looks.npz.

    Parameters
    ----------
    london
        Folder of the Face Research Lab London Set.
    out
        Folder to write NAME.png and looks.npz to.
    size
        Side in texels.
    """
    model = plain_model()
    out.mkdir(parents=True, exist_ok=True)
    found = study(model, london)
    looks = []
    for sitting in found.sittings:
        texture = texture_of(model, sitting, found.light, found.exposure, size)
        Image.fromarray(texture).save(out / f"{sitting.person.name}.png")
        looks.append(look_at(model, sitting, found.light, found.exposure, texture))
    write_looks(out, [sitting.person for sitting in found.sittings], looks)
    for sitting in smiling(model, london):
        texture = texture_of(model, sitting, found.light, found.exposure, size)
        Image.fromarray(texture).save(out / f"{sitting.person.name}.png")


def statistics(textures: Path, out: Path) -> None:
    """Learn mean and modes of albedo from the looks of all people.

    Parameters
    ----------
    textures
        Folder that the command 'textures' wrote.
    out
        The asset: src/facefuse/assets/base_appearance.safetensors.
    """
    model = plain_model()
    data = appearance_to_bytes(build(model, read_looks(textures, model)[0]), model)
    out.write_bytes(data)
    sys.stdout.write(f"{len(data) / 1e6:.2f} MB, SHA-256 {hashlib.sha256(data).hexdigest()}\n")


def held_out(textures: Path) -> None:
    """Print how well the statistics describe people they were not learned from, in five folds.

    Parameters
    ----------
    textures
        Folder that the command 'textures' wrote.
    """
    model = plain_model()
    sys.stdout.write(measure(model, *read_looks(textures, model)))


def plate(out: Path) -> None:
    """Draw the shipped statistics: mean, first modes, random people.

    Parameters
    ----------
    out
        The PNG to write.
    """
    Image.fromarray(draw_plate(load_model())).save(out, optimize=True)


def main() -> None:
    """Run one step of the recipe."""
    tyro.extras.subcommand_cli_from_dict(
        {"textures": textures, "statistics": statistics, "held-out": held_out, "plate": plate}
    )


if __name__ == "__main__":
    main()
