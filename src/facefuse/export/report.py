"""report.html: one self-contained file with an interactive view of the head, the photos and the facts."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from importlib.resources import files
from pathlib import PurePath

import numpy as np
from PIL import Image

from facefuse.export.document import readable
from facefuse.export.maps import preview
from facefuse.export.pictures import around_face, overlay, still
from facefuse.export.textures import Pixels, jpeg_data_uri
from facefuse.geometry.rotations import rotmat_to_euler
from facefuse.reconstruction import PARSING, PhotoResult, Reconstruction
from facefuse.rendering.maps import draw_maps
from facefuse.version import __version__

_SCRIPTS = ("glb.js", "scene.js", "motion.js", "expressions.js", "orbit.js", "page.js")
_PICTURE, _THUMBNAIL, _STILL, _MAP = 640, 112, 512, 240


def report_html(reconstruction: Reconstruction, glb: bytes, maps: Sequence[str] = ()) -> bytes:
    """Write the report.

    Parameters
    ----------
    reconstruction : Reconstruction
    glb : bytes
        The head as :func:`facefuse.export.glb.head_to_glb` writes it; the page draws this very file.
    maps : sequence of str
        Which of `facefuse.reconstruction.ALL_MAPS` to show for every photo.

    Returns
    -------
    bytes
        HTML in UTF-8 that needs no other file and no network.
    """
    script = "\n".join(_viewer_file(name) for name in _SCRIPTS)
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    count = len(reconstruction.photos)
    photos = "one photo" if count == 1 else f"{count} photos"
    portrait = still(reconstruction, _STILL)
    page = {
        "script_hash": f"'sha256-{digest}'",  # only this script may run, whatever a file name tries to smuggle in
        "version": escape(__version__),
        "style": _viewer_file("style.css"),
        "title": f"A head from {photos}",
        "lead": escape(", ".join(_name(result) for result in reconstruction.photos)),
        "notices": _notices(reconstruction),
        "still": jpeg_data_uri(portrait),
        "neutral": jpeg_data_uri(_middle(portrait)),
        "presets": "\n".join(_preset(result, number) for number, result in enumerate(reconstruction.photos, 1)),
        "glb_size": f"{len(glb) / 1e6:.1f} MB",
        "photos_title": "The photo" if count == 1 else "The photos",
        "photos": "\n".join(_photo(reconstruction, index, maps) for index in range(count)),
        "skipped": _skipped(reconstruction),
        "facts": _facts(reconstruction),
        "facts_json": _facts_for_script(reconstruction),
        "glb": base64.b64encode(glb).decode("ascii"),
        "script": script,
    }
    return _fill(_viewer_file("report.html"), page).encode("utf-8")


@cache
def _viewer_file(name: str) -> str:
    return (files("facefuse.export") / "viewer" / name).read_text(encoding="utf-8").replace("\r\n", "\n")


def _fill(template: str, values: Mapping[str, str]) -> str:
    """Replace every ``{{name}}``; what is put in is not looked at again."""
    return re.sub(r"\{\{(\w+)\}\}", lambda match: values[match[1]], template)


def _name(result: PhotoResult) -> str:
    path = readable(result.photo.path)
    return "a photo given as an array" if path is None else PurePath(path).name or path


def _notices(reconstruction: Reconstruction) -> str:
    if not reconstruction.warnings:
        return ""
    items = "".join(f"<li>{escape(warning)}</li>" for warning in reconstruction.warnings)
    return f'<div class="notice" role="note"><strong>Please note</strong><ul>{items}</ul></div>'


def _preset(result: PhotoResult, number: int) -> str:
    picture = jpeg_data_uri(around_face(result, _THUMBNAIL, room=1.5).pixels)
    return (
        f'<button type="button" class="preset" data-preset="{number}" aria-pressed="false" '
        f'title="{escape(_name(result))}"><img class="face" src="{picture}" alt="">Photo {number}</button>'
    )


def _photo(reconstruction: Reconstruction, index: int, maps: Sequence[str]) -> str:
    result = reconstruction.photos[index]
    view = around_face(result, _PICTURE)
    name, number = escape(_name(result)), index + 1
    yaw, pitch, roll = (float(angle) for angle in rotmat_to_euler(np.asarray(result.camera.rotation)))
    guess = "" if result.photo.focal_px else ", estimated"  # without EXIF, lens and distance are hard to tell apart
    numbers = {
        "Yaw": f"{yaw:+.1f}°",
        "Pitch": f"{pitch:+.1f}°",
        "Roll": f"{roll:+.1f}°",
        "Residual": f"{result.residual:.2f} %",
        "Weight": f"{result.weight:.2f}",
        "Score": f"{result.face.score:.3f}",
        "Focal length": f"{result.camera.focal:.0f} px{guess}",
        "Distance": f"{float(result.camera.translation[2]) / 10:.0f} cm{guess}",
    }
    rows = "".join(f"<div><dt>{key}</dt><dd>{escape(value)}</dd></div>" for key, value in numbers.items())
    path = escape(readable(result.photo.path) or "")
    return (
        f'<figure><div class="pair"><img src="{jpeg_data_uri(view.pixels)}" alt="Photo {number}: {name}">'
        f'<img src="{jpeg_data_uri(overlay(reconstruction, index, view))}" alt="The head over photo {number}"></div>'
        f"{_maps(reconstruction, index, maps)}"
        f'<figcaption><h3 title="{path}"><span>{number} · </span>{name}'
        f"<span> · {result.photo.width} × {result.photo.height}</span></h3>"
        f'<dl class="numbers">{rows}</dl>'
        f'<p class="strongest">{escape(_strongest(reconstruction, result))}</p></figcaption></figure>'
    )


def _maps(reconstruction: Reconstruction, index: int, names: Sequence[str]) -> str:
    if not names:
        return ""
    view = around_face(reconstruction.photos[index], _MAP)
    height, width = view.pixels.shape[:2]
    vertices = np.asarray(reconstruction.posed_mesh(index).vertices)
    surface = [name for name in names if name != PARSING]
    drawn = draw_maps(surface, reconstruction.model, vertices, view.camera, width, height) if surface else {}
    if PARSING in names and view.parts is not None:
        drawn[PARSING] = view.parts.labels_in(height, width)
    pictures = "".join(
        f'<div><img src="{jpeg_data_uri(preview(name, values))}" alt="{name} of photo {index + 1}">{name}</div>'
        for name, values in drawn.items()
    )
    return f'<div class="maps">{pictures}</div>'


def _middle(picture: Pixels) -> Pixels:
    """Return the middle of the still portrait, where the face is, as a thumbnail."""
    width, height = picture.shape[1], picture.shape[0]
    box = (0.2 * width, 0.14 * height, 0.8 * width, 0.74 * height)
    return np.asarray(Image.fromarray(picture).resize((_THUMBNAIL, _THUMBNAIL), box=box, reducing_gap=2.0))


def _strongest(reconstruction: Reconstruction, result: PhotoResult) -> str:
    weights = np.asarray(result.expression, dtype=float)
    order = [k for k in np.argsort(-np.abs(weights))[:4] if abs(weights[k]) >= 0.05]
    if not order:
        return "Expression: neutral"
    named = (f"{reconstruction.model.expression_names[k]} {weights[k]:.2f}" for k in order)
    return "Expression: " + ", ".join(named)


def _skipped(reconstruction: Reconstruction) -> str:
    if not reconstruction.skipped:
        return ""
    items = "".join(
        f"<li>{escape(readable(photo.path) or '')} <span>{escape(photo.reason)}</span></li>"
        for photo in reconstruction.skipped
    )
    return (
        '<section aria-labelledby="skipped-title"><h2 id="skipped-title">Photos that could not be used</h2>'
        f'<ul class="skipped">{items}</ul></section>'
    )


def _facts(reconstruction: Reconstruction) -> str:
    model = reconstruction.model
    landmarks = model.landmarks(np.asarray(reconstruction.mesh.vertices))
    eyes = float(np.linalg.norm(landmarks[36:42].mean(0) - landmarks[42:48].mean(0)))
    facts = {
        "Method": reconstruction.method,
        "Face model": f"{model.name}: {model.vertex_count:,} vertices, {len(model.triangles):,} triangles",
        "Identity": f"{len(reconstruction.identity)} coefficients, "
        f"root mean square {float(np.sqrt(np.mean(np.square(reconstruction.identity)))):.2f} standard deviations",
        "Expressions": f"{model.expression_count}, under their ARKit names"
        if model.blendshapes
        else f"{model.expression_count}",
        "Between the eyes": f"{eyes:.1f} mm from eye centre to eye centre",
        "Texture": f"{reconstruction.texture.shape[1]} × {reconstruction.texture.shape[0]}",
        "Licence of the model": model.licence,
        "Credit": model.credit,
    }
    return "\n".join(f"    <dt>{key}</dt><dd>{escape(value)}</dd>" for key, value in facts.items() if value)


def _facts_for_script(reconstruction: Reconstruction) -> str:
    model = reconstruction.model
    landmarks = model.landmarks(np.asarray(reconstruction.mesh.vertices))[17:]  # without the jaw: the middle of a face
    photos = []
    for result in reconstruction.photos:
        yaw, pitch, _ = (float(angle) for angle in rotmat_to_euler(np.asarray(result.camera.rotation)))
        weights = (round(float(weight), 4) for weight in result.expression)
        named = {name: weight for name, weight in zip(model.expression_names, weights, strict=True) if weight}
        photos.append({"expression": named, "yaw": round(yaw, 2), "pitch": round(pitch, 2)})
    centre = [round(float(x), 5) for x in landmarks.mean(0) * model.unit_to_metre]
    text = json.dumps({"faceCentre": centre, "photos": photos}, allow_nan=False)
    return text.replace("<", "\\u003c")  # so that no name can close the script element
