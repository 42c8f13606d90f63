"""``facefuse reconstruct`` and ``facefuse demo``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from facefuse.cli import terminal
from facefuse.cli.compilation import compilation_announced
from facefuse.cli.inputs import expand_photos, parse_face, parse_names
from facefuse.errors import UnusableInput

if TYPE_CHECKING:
    from facefuse.photos import Photo


@dataclass(frozen=True)
class Reconstruct:
    """Reconstruct one textured, animatable head from one or more photos of a person."""

    photos: Annotated[Positional[tuple[str, ...]], arg(metavar="PHOTO...", help_behavior_hint="(one or more)")]
    """Photos of one person; what cannot be used is left out and reported."""

    out: Annotated[str, arg(metavar="DIR")]
    """Folder for the results; made where missing."""

    method: Literal["auto", "fit", "2dasl", "2dasl+refine", "df-mvr", "df-mvr+refine"] = "auto"
    """How the head is found: fitted to landmarks, regressed by a network, or both in turn; auto is the best
    there is."""

    model: Annotated[str, arg(metavar="NAME|FILE")] = "base"
    """Face model: a name (facefuse models list), or the .safetensors file that 'facefuse models import' wrote."""

    expression: Literal["per-photo", "shared"] = "per-photo"
    """Whether every photo has its own expression."""

    face: Annotated[str, arg(metavar="largest|INDEX")] = "largest"
    """Which face of each photo: the largest, or its index as 'facefuse detect' prints it."""

    formats: Annotated[str, arg(metavar="glb,obj,ply")] = "glb,obj,ply"
    """Mesh formats, separated by commas."""

    texture_size: Annotated[int, arg(metavar="N")] = 1024
    """Side of the texture in pixels, 64 to 4096."""

    posed: bool = False
    """Also write one mesh per photo with its expression."""

    maps: Annotated[str | None, arg(metavar="depth,normals,pncc,uv,parts,visibility,parsing")] = None
    """Also draw maps of the head for every photo: any of these, separated by commas. parsing turns --unveil on."""

    unveil: bool = False
    """Leave glasses, hands and hats over the face out of the texture, where a face parser sees them."""

    json: bool = False
    """Print the results as JSON on stdout."""

    quiet: bool = False
    """Print no progress and no summary; warnings and errors remain."""

    def run(self) -> int:
        """Run the command."""
        return _run(self, expand_photos(self.photos))


@dataclass(frozen=True)
class Demo:
    """Reconstruct a head from a public-domain portrait (NASA's of Eileen Collins, carried by scikit-image)."""

    out: Annotated[str, arg(metavar="DIR")]
    """Folder for the results; made where missing."""

    def run(self) -> int:
        """Run the command."""
        return _run(Reconstruct((), self.out), [demo_portrait()])


def demo_portrait() -> Photo:
    """Return the demo portrait.

    Raises
    ------
    UnusableInput
        If scikit-image, which carries it, is not installed.
    """
    from facefuse.photos import Photo

    try:
        from skimage import data  # optional: the extra "demo"
    except ImportError:
        raise UnusableInput(
            'the demo portrait comes with scikit-image: pip install "facefuse[demo]"; or use a photo of your own: '
            "facefuse reconstruct PHOTO --out DIR"
        ) from None
    return Photo(data.astronaut(), "astronaut.png")


def _run(options: Reconstruct, photos: Sequence[str | Photo]) -> int:
    face = parse_face(options.face)
    with terminal.progress(options.quiet) as tell, compilation_announced(options.quiet):
        tell("loading", 0.0)
        from facefuse.detection.find import default_parser  # late: these take a while to import
        from facefuse.export.folder import check_folder
        from facefuse.export.writer import FORMATS, save
        from facefuse.reconstruction import ALL_MAPS, PARSING, reconstruct

        formats = parse_names("--formats", options.formats, FORMATS)
        maps = parse_names("--maps", options.maps, ALL_MAPS) if options.maps is not None else ()
        check_folder(Path(options.out))
        head = reconstruct(
            photos,
            method=options.method,
            model=options.model,
            expression=options.expression,
            face=face,
            texture_size=options.texture_size,
            progress=tell,
            parser=default_parser() if options.unveil or PARSING in maps else None,
        )
        tell("writing", 0.9)
        files = save(head, options.out, formats=formats, posed=options.posed, maps=maps)

    for one in head.skipped:
        terminal.note(f"not used: {one.path}: {one.reason}")
    for warning in head.warnings:
        terminal.note(f"warning: {warning}")
    if options.json:
        document = json.loads((Path(options.out) / "reconstruction.json").read_bytes())
        terminal.result_json({**document, "files": [str(path) for path in files]})
    elif not options.quiet:
        count = len(head.photos)
        terminal.note(f"head from {count} photo{'s' * (count != 1)} in {options.out}; open report.html to look at it")
        for path in files:
            terminal.result(str(path))
    return 0
