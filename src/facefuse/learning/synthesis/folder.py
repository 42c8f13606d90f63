"""A folder of synthetic photos with their truth: written piece by piece, resumable, read back as it was.

The format is described in docs/synthesis.md.
"""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from safetensors.numpy import load_file, save_file

from facefuse.errors import AssetError, UsageError
from facefuse.geometry.cameras import PinholeCamera

from .generator import Settings, Synthesizer
from .identity import IdentitySource, convert_ict, read_identities, save_identities
from .sample import SyntheticPhoto, part_names

FORMAT = "facefuse-synthesis/1"
Capture = Literal["mixed", "synchronous", "asynchronous"]
_DEPTH_STEP_MM = 0.1
_SYNCHRONOUS = {"mixed": None, "synchronous": True, "asynchronous": False}
_ARRAYS = ("identity", "expression", "vertices", "landmarks68", "visible68", "mesh", "mesh_visible", "light")


@dataclass(frozen=True)
class Series:
    """What a folder holds.

    Attributes
    ----------
    seed : int
    views : int
        Photos per person, 1 to 9.
    capture : str
        Whether a person's photos are of one moment: ``synchronous``, ``asynchronous`` or ``mixed``.
    size : int
        Side of the photos, pixels.
    textures, backgrounds, ict : str, optional
        Files the photos are made from.
    """

    seed: int = 0
    views: int = 1
    capture: Capture = "mixed"
    size: int = 224
    textures: str | None = None
    backgrounds: str | None = None
    ict: str | None = None

    def settings(self) -> Settings:
        """Settings of the generator."""
        return Settings(
            self.size,
            None if self.textures is None else Path(self.textures),
            None if self.backgrounds is None else Path(self.backgrounds),
        )


def stem_of(person: int, view: int) -> str:
    """Name of a photo without its ending."""
    return f"{person:06d}_{view}"


def write_photo(photo: SyntheticPhoto, folder: Path, stem: str) -> None:
    """Write one photo, its maps, and last its truth, so that the truth's being there means that all is."""
    Image.fromarray(photo.pixels).save(folder / "photos" / f"{stem}.png", compress_level=1)
    Image.fromarray(photo.parts).save(folder / "parts" / f"{stem}.png", compress_level=1)
    Image.fromarray(photo.occluder).save(folder / "occluders" / f"{stem}.png")
    steps = np.where(np.isfinite(photo.depth), np.rint(photo.depth / _DEPTH_STEP_MM), 0)
    Image.fromarray(np.clip(steps, 0, 65535).astype(np.uint16)).save(folder / "depth" / f"{stem}.png", compress_level=1)
    arrays = {name: np.ascontiguousarray(getattr(photo, name)) for name in _ARRAYS}
    camera = photo.camera
    arrays |= {
        "camera_focal": np.array([camera.focal], np.float64),
        "camera_centre": np.asarray(camera.centre, np.float64),
        "camera_rotation": np.ascontiguousarray(camera.rotation, np.float64),
        "camera_translation": np.asarray(camera.translation, np.float64),
        "seed": np.array(photo.seed, np.int64),
    }
    partial = folder / "truth" / f"{stem}.partial"
    save_file(arrays, str(partial))
    partial.replace(folder / "truth" / f"{stem}.safetensors")


def read_photo(folder: Path, stem: str) -> SyntheticPhoto:
    """Read a photo back; depth comes in steps of 0.1 mm.

    Raises
    ------
    AssetError
        If a file is missing.
    """
    truth = folder / "truth" / f"{stem}.safetensors"
    if not truth.is_file():
        raise AssetError(f"{folder} holds no photo {stem}; the numbers end where facefuse synthesize was stopped")
    found = load_file(str(truth))
    camera = PinholeCamera(
        float(found["camera_focal"][0]), found["camera_centre"], found["camera_rotation"], found["camera_translation"]
    )
    depth = _picture(folder / "depth" / f"{stem}.png").astype(np.float32) * np.float32(_DEPTH_STEP_MM)
    seed, person, view = (int(number) for number in found["seed"])
    return SyntheticPhoto(
        pixels=_picture(folder / "photos" / f"{stem}.png"),
        parts=_picture(folder / "parts" / f"{stem}.png"),
        occluder=_picture(folder / "occluders" / f"{stem}.png") > 0,
        depth=np.where(depth > 0, depth, np.float32(np.inf)),
        camera=camera,
        seed=(seed, person, view),
        **{name: found[name] for name in _ARRAYS},  # type: ignore[arg-type]
    )


def read_photos(folder: Path) -> Iterator[SyntheticPhoto]:
    """All photos of a folder in the order of their numbers."""
    for truth in sorted((folder / "truth").glob("*.safetensors")):
        yield read_photo(folder, truth.stem)


def _picture(path: Path) -> NDArray[np.uint8]:
    try:
        return np.asarray(Image.open(path))
    except OSError as error:
        raise AssetError(
            f"{path} cannot be read ({error}); delete its truth file and run facefuse synthesize again"
        ) from error


def open_folder(folder: Path, series: Series) -> None:
    """Make the folder, or check that it is one of the same series.

    Raises
    ------
    UsageError
        If the folder holds photos drawn with other settings.
    """
    for name in ("photos", "parts", "occluders", "depth", "truth"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    facts = {"format": FORMAT, **asdict(series), "parts": list(part_names()), "depth_step_mm": _DEPTH_STEP_MM}
    file = folder / "synthesis.json"
    if file.exists():
        try:
            known = json.loads(file.read_text())
        except ValueError:
            known = None
        if known != facts:
            raise UsageError(f"{folder} holds photos drawn with other settings (synthesis.json); choose another --out")
        return
    file.write_text(json.dumps(facts, indent=1))


def synthesize(
    folder: Path, series: Series, count: int, *, jobs: int = 1, progress: Callable[[int, int], None] | None = None
) -> int:
    """Write the photos of ``count`` people; those that are there already are kept.

    Parameters
    ----------
    folder : Path
    series : Series
    count : int
    jobs : int
        Processes.
    progress : callable, optional
        Told how many people are done, and of how many.

    Returns
    -------
    int
        How many people were new.

    Raises
    ------
    UsageError
        If the folder holds another series, or a number makes no sense.
    """
    if count < 1 or jobs < 1 or series.size < 32 or not 1 <= series.views <= 9:
        raise UsageError(
            f"count {count}, jobs {jobs}, size {series.size}, views {series.views}: "
            "expected at least 1, at least 1, at least 32 pixels, 1 to 9"
        )
    open_folder(folder, series)
    last = series.views - 1
    missing = [n for n in range(count) if not (folder / "truth" / f"{stem_of(n, last)}.safetensors").exists()]
    done = count - len(missing)
    tell = progress or (lambda done, count: None)
    tell(done, count)
    if missing and series.ict is not None:
        _other_people(folder, series.ict)  # converted once, before processes start
    if jobs == 1 or len(missing) < 2:
        _prepare(folder, series)
        results: Iterator[int] = map(_write_person, missing)
        for _ in results:
            done += 1
            tell(done, count)
        return len(missing)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_prepare, initargs=(folder, series)) as pool:
        for _ in pool.map(_write_person, missing, chunksize=4):
            done += 1
            tell(done, count)
    return len(missing)


_at_work: dict[str, tuple[Path, Series, Synthesizer]] = {}
"""What a process works on; set once by ``_prepare``."""


def _prepare(folder: Path, series: Series) -> None:
    people = None if series.ict is None else _other_people(folder, series.ict)
    _at_work["now"] = (folder, series, Synthesizer(series.settings(), people))


def _write_person(number: int) -> int:
    folder, series, synthesizer = _at_work["now"]
    rig = synthesizer.rig(series.seed, number, series.views, synchronous=_SYNCHRONOUS[series.capture])
    for view, photo in enumerate(rig):
        write_photo(photo, folder, stem_of(number, view))
    return number


def _other_people(folder: Path, ict: str) -> IdentitySource:
    """The full ICT model on our mesh, kept in the folder once it is converted."""
    kept = folder / "identities.npz"
    if not kept.exists():
        save_identities(convert_ict(Path(ict)), kept)
    return read_identities(kept)
