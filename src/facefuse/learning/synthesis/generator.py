"""Random photos and rigs with known truth: a pure function of settings, seed and number."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .backgrounds import Backgrounds
from .body import body_turn
from .expressions import random_expression, shipped_statistics
from .film import develop, random_film
from .gaze import aim_eyes
from .head import base_head
from .identity import IdentitySource, base_identities
from .lighting import Light, random_light
from .meshes import Floats
from .person import Person, dressed, held, make_scene, pose_head, random_person
from .render import draw
from .sample import SyntheticPhoto, SyntheticRig
from .shading import mean_light
from .textures import TextureLibrary
from .truth import truth_of
from .views import Framing, make_camera, random_framing, random_pose, rotation_of


@dataclass(frozen=True)
class Settings:
    """What photos are drawn from.

    Attributes
    ----------
    size : int
        Side of the photos in pixels.
    textures : Path, optional
        Folder of textures; see `TextureLibrary`.
    backgrounds : Path, optional
        Zip of photos; see `Backgrounds`.
    ict_share : float
        Share of people drawn from the other identity source, where there is one.
    """

    size: int = 224
    textures: Path | None = None
    backgrounds: Path | None = None
    ict_share: float = 0.5


@dataclass
class Synthesizer:
    """Draws photos.

    Attributes
    ----------
    settings : Settings
    other_people : IdentitySource, optional
        A second source of identities (`convert_ict`), from which a share of the people comes.
    """

    settings: Settings = field(default_factory=Settings)
    other_people: IdentitySource | None = None

    def __post_init__(self) -> None:
        self._library = TextureLibrary(self.settings.textures)
        self._backgrounds = Backgrounds(self.settings.backgrounds)

    def photo(self, seed: int, index: int) -> SyntheticPhoto:
        """Photo ``index`` of the series ``seed``."""
        return self.rig(seed, index, 1)[0]

    def rig(self, seed: int, index: int, views: int, *, synchronous: bool | None = None) -> SyntheticRig:
        """Photos of person ``index`` of the series ``seed``.

        Parameters
        ----------
        seed, index : int
        views : int
            1 to 9.
        synchronous : bool, optional
            Whether all are taken at one moment from different sides; by chance, half and half, where not given.

        Raises
        ------
        ValueError
            If the number of views is not 1 to 9.
        """
        if not 1 <= views <= 9:
            raise ValueError(f"expected 1 to 9 views, found {views}")
        rng = np.random.default_rng([seed, index])
        person = self._person(rng)
        at_once = rng.random() < 0.5 if synchronous is None else synchronous
        if views > 1 and at_once:
            return self._synchronous(person, seed, index, views, rng)
        return tuple(self._moment(person, (seed, index, view)) for view in range(views))

    def _moment(self, person: Person, number: tuple[int, int, int]) -> SyntheticPhoto:
        """One photo of a person at a time of its own."""
        seed, index, view = number
        rng = np.random.default_rng([seed, index, view + 1])
        names = base_head().model.expression_names
        pose = random_pose(rng)
        rotation = rotation_of(pose)
        expression = aim_eyes(random_expression(names, shipped_statistics(), rng), names, rotation, rng)
        return self._take(
            person,
            expression,
            rotation,
            body_turn(pose, rng),
            random_light(rng),
            random_framing(rng),
            number,
            rng,
            rng,
        )

    def _person(self, rng: np.random.Generator) -> Person:
        other = self.other_people
        chosen = other if other is not None and rng.random() < self.settings.ict_share else base_identities()
        return random_person(chosen, self._library, rng)

    def _synchronous(self, person: Person, seed: int, index: int, views: int, rng: np.random.Generator) -> SyntheticRig:
        """One moment, seen from left to right."""
        names = base_head().model.expression_names
        yaw, pitch, roll = (angle * share for angle, share in zip(random_pose(rng), (0.25, 0.6, 0.5), strict=True))
        middle = rotation_of((yaw, pitch, roll))
        expression = aim_eyes(random_expression(names, shipped_statistics(), rng), names, middle, rng)
        turn = body_turn((yaw, pitch, roll), rng)
        light = random_light(rng).rotated(middle.T)  # in the model frame, the same for all views
        framing = random_framing(rng)
        reach = rng.uniform(25.0, 80.0)
        photos = []
        for view, around in enumerate(np.linspace(reach, -reach, views)):
            own = np.random.default_rng([seed, index, view + 1])
            rotation = rotation_of((yaw + around + own.normal(0, 3), pitch + own.normal(0, 3), roll + own.normal(0, 2)))
            framed = replace(framing, distance=framing.distance * float(np.exp(own.normal(0, 0.05))))
            number = (seed, index, view)
            photos.append(
                self._take(
                    person,
                    expression,
                    rotation,
                    turn,
                    light.rotated(rotation),
                    framed,
                    number,
                    own,
                    np.random.default_rng([seed, index, 0]),
                )
            )
        return tuple(photos)

    def _take(
        self,
        person: Person,
        expression: Floats,
        rotation: NDArray[np.float64],
        turn: NDArray[np.float64],
        light: Light,
        framing: Framing,
        number: tuple[int, int, int],
        rng: np.random.Generator,
        moment: np.random.Generator,
    ) -> SyntheticPhoto:
        """Take a photo; ``light`` is in the camera frame, ``moment`` draws what is held before the face."""
        head, size = base_head(), self.settings.size
        vertices = pose_head(person, expression)
        camera = make_camera(head.model.landmarks(vertices), rotation, framing, size)
        outfit = dressed(person, vertices, turn)
        scene = make_scene(vertices, outfit.pieces + held(person, vertices, moment))
        behind = self._backgrounds.pick(size, rng)
        drawn = draw(scene, outfit.hair, outfit.lenses, person.appearance, camera, light, behind)
        truth = truth_of(vertices, drawn.parts, drawn.nearest, camera)
        film = random_film(rng)
        return SyntheticPhoto(
            pixels=develop(drawn.picture, mean_light(drawn.picture, truth.depth), film, rng),
            identity=person.identity,
            expression=expression,
            vertices=vertices,
            camera=camera,
            landmarks68=truth.landmarks68,
            visible68=truth.visible68,
            mesh=truth.mesh,
            mesh_visible=truth.mesh_visible,
            parts=truth.parts,
            occluder=truth.occluder,
            depth=truth.depth,
            light=light.rotated(rotation.T).harmonics().astype(np.float32),
            seed=number,
        )
