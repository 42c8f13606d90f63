"""report.html: complete, self-contained and safe to open."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from facefuse.export.glb import head_to_glb
from facefuse.export.report import report_html

VOID = {"meta", "img", "input", "link", "br", "hr"}


class Page(HTMLParser):
    """Collects elements and texts, and checks that tags are balanced."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.text, self.open, self.contents = [], [], [], {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        tag, attributes = self.open[-1] if self.open else ("", {})
        if tag in ("script", "style"):
            self.contents[attributes.get("id", tag)] = data
        else:
            self.text.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def glb(reconstruction):
    return head_to_glb(reconstruction)


@pytest.fixture(scope="module")
def html(reconstruction, glb):
    return report_html(reconstruction, glb).decode("utf-8")


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def test_nothing_comes_from_elsewhere(html, page):
    for tag, attributes in page.elements:
        for key in ("src", "href", "srcset", "data", "action"):
            if key in attributes:
                assert attributes[key].startswith("data:image/jpeg;base64,"), (tag, key)
    assert page.all("link") == []
    assert not re.search(r"https?://|@import|url\(", html)
    policy = next(m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy
    digest = base64.b64encode(hashlib.sha256(page.contents["script"].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy


def test_it_holds_the_glb_once(page, glb):
    assert base64.b64decode(page.contents["head-glb"]) == glb
    encoded = base64.b64encode(glb).decode()
    assert sum(encoded[:200] in text for text in [*page.text, *page.contents.values()]) == 1


def test_names_of_files_cannot_run(page, html):
    # the fixture's second photo is called <script>alert(1)</script>&".jpg
    assert len(page.all("script")) == 3
    assert page.all("i") == page.all("b") == []
    assert "<script>alert" not in html
    text = "".join(page.text)
    assert '</script>&".jpg' not in page.contents["facts"]
    assert 'script>&".jpg' in text
    assert "photos/<b>cat</b>.jpg" in text
    assert "photo 2 <i>differs</i> from the others" in text


def test_placeholders_in_names_are_left_alone(reconstruction, glb):
    first = reconstruction.photos[0]
    odd = replace(first, photo=replace(first.photo, path="{{glb}}{{nothing}}.jpg"))
    text = "".join(Page(report_html(replace(reconstruction, photos=(odd,)), glb).decode()).text)
    assert "{{glb}}{{nothing}}.jpg" in text


def test_no_placeholder_is_left(html):
    assert re.findall(r"\{\{\w+\}\}", html) == []


def test_photos_with_their_numbers(page):
    text = " ".join("".join(page.text).split())
    assert "A head from 3 photos" in text
    for value in ("+5.0°", "-35.0°", "700 px", "1.25 %", "0.88", "0.990", "400 × 300", "80 cm"):
        assert value in text, value
    pictures = [image for image in page.all("img") if "Photo" in image["alt"] or "over photo" in image["alt"]]
    assert len(pictures) == 6
    for image in pictures:
        picture = Image.open(io.BytesIO(base64.b64decode(image["src"].partition(",")[2])))
        assert min(picture.size) > 50


def test_licences_and_warnings(page, reconstruction):
    text = "".join(page.text)
    assert reconstruction.model.licence in text
    assert reconstruction.model.credit in text
    assert "no face was found" in text


def test_values_for_the_viewer(page, reconstruction):
    facts = json.loads(page.contents["facts"])
    assert facts["photos"][0] == {"expression": {"jawOpen": 0.5, "browInnerUp": 0.25}, "yaw": 5.0, "pitch": 4.0}
    assert facts["photos"][2]["expression"] == {}
    landmarks = reconstruction.model.landmarks(reconstruction.mesh.vertices)[17:]
    np.testing.assert_allclose(facts["faceCentre"], landmarks.mean(0) / 1000, atol=1e-5)


def test_controls_have_labels(page):
    ids = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    for tag, attributes in page.elements:
        if "aria-labelledby" in attributes:
            assert attributes["aria-labelledby"] in ids
        if tag == "img":
            assert "alt" in attributes
    assert all("aria-label" in canvas for canvas in page.all("canvas"))
    for name in re.findall(r'\$\("([\w-]+)"\)', page.contents["script"]):
        assert name in ids, f"the script asks for an element #{name}"


def test_one_photo_and_none_skipped(reconstruction, glb):
    single = replace(reconstruction, photos=reconstruction.photos[:1], skipped=(), warnings=())
    text = "".join(Page(report_html(single, glb).decode()).text)
    assert "A head from one photo" in text
    assert "could not be used" not in text
    assert "Please note" not in text
