"""One albedo texture per person: the photo without its light, on the mesh, completed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from facefuse.learning.appearance.light import Sitting, mean_shadows, own_light, sit, skin_colour, studio_light, unlit
from facefuse.learning.appearance.people import NEUTRAL, SMILING, Person, read_people
from facefuse.learning.appearance.warping import find_places, warped
from facefuse.morphable.model import FaceModel
from facefuse.texturing import bake_texture

FloatArray = npt.NDArray[np.floating[Any]]
Pixels = npt.NDArray[np.uint8]

FAIR_SKIN = 0.40
"""Luminance (linear) given to the median skin of the set's white people: about that of a light skin in measured
reflectances. All photos were exposed alike, so one factor serves everybody."""
LUMINANCE = np.array([0.2126, 0.7152, 0.0722])


@dataclass(frozen=True)
class Study:
    """All photos of one expression, and the light they share.

    Attributes
    ----------
    sittings : tuple of Sitting
    light : (10,) float
    exposure : float
        Albedo over photo.
    """

    sittings: tuple[Sitting, ...]
    light: FloatArray
    exposure: float


def study(model: FaceModel, london: Path) -> Study:
    """Fit all neutral photos, pull them onto the mesh, and estimate their light."""
    people = list(read_people(model, london, NEUTRAL))
    places, shadows = find_places(model, people), mean_shadows(model)
    sittings = tuple(sit(model, person, warped(person, places), shadows) for person in people)
    light = studio_light(sittings)
    fair = np.median([skin_colour(one, light) @ LUMINANCE for one in sittings if one.person.group == "white"])
    return Study(sittings, light, float(FAIR_SKIN / fair))


def smiling(model: FaceModel, london: Path) -> Iterator[Sitting]:
    """Fit the smiling photos."""
    shadows = mean_shadows(model)
    for person in read_people(model, london, SMILING):
        yield sit(model, person, person.camera, shadows)


def texture_of(model: FaceModel, sitting: Sitting, light: FloatArray, exposure: float, size: int) -> Pixels:
    """Bake one person's albedo: (size, size, 3) uint8, sRGB, every texel filled."""
    person: Person = sitting.person
    photo = unlit(model, sitting, own_light(sitting, light), exposure)
    return bake_texture(model, [person.vertices], [sitting.camera], [photo], size)
