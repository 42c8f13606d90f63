"""``facefuse synthesize``."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import arg

from facefuse.cli import terminal
from facefuse.cli.compilation import compilation_announced
from facefuse.errors import UsageError


@dataclass(frozen=True)
class Synthesize:
    """Make photos of people who do not exist, with everything known about them (docs/synthesis.md).

    The same seed gives the same photos. A run that was stopped goes on where it was.
    """

    count: int
    """Number of people."""

    out: Annotated[Path, arg(metavar="DIR")]
    """Folder to write to."""

    views: int = 1
    """Photos of each person, 1 to 9."""

    capture: Literal["mixed", "synchronous", "asynchronous"] = "mixed"
    """Several photos of a person: all at one moment from different sides, each at a moment of its own, or by chance."""

    size: int = 224
    """Side of the photos in pixels."""

    seed: int = 0
    """Which series of people."""

    textures: Annotated[Path | None, arg(metavar="DIR")] = None
    """512 x 512 PNG textures of people in the base model's atlas; its own colours where not given."""

    ict: Annotated[Path | None, arg(metavar="FILE")] = None
    """ICT-FaceKit Light (npz): half of the people are drawn from all of its modes."""

    backgrounds: Annotated[Path | None, arg(metavar="ZIP")] = None
    """Photos without faces; blurred colours where not given."""

    jobs: int = 2
    """Processes."""

    quiet: bool = False
    """Say nothing but errors."""

    json: bool = False
    """Print what was done as JSON on stdout."""

    def run(self) -> int:
        """Run the command."""
        for file in (self.textures, self.ict, self.backgrounds):
            if file is not None and not file.exists():
                raise UsageError(f"{file} does not exist")
        started = time.perf_counter()
        with terminal.progress(self.quiet) as tell, compilation_announced(self.quiet):
            tell("loading", 0.0)
            from facefuse.learning.synthesis.folder import Series, synthesize  # late: takes a while to import

            texts = {name: getattr(self, name) for name in ("textures", "ict", "backgrounds")}
            series = Series(
                seed=self.seed,
                views=self.views,
                capture=self.capture,
                size=self.size,
                **{name: None if path is None else str(path) for name, path in texts.items()},
            )
            new = synthesize(
                self.out,
                series,
                self.count,
                jobs=self.jobs,
                progress=lambda done, count: tell(f"person {done} of {count}", done / count),
            )
        seconds = time.perf_counter() - started
        if self.json:
            terminal.result_json(
                {
                    "folder": str(self.out),
                    "people": self.count,
                    "photos": self.count * self.views,
                    "new_photos": new * self.views,
                    "seconds": round(seconds, 3),
                }
            )
        elif not self.quiet:
            made = f"{new * self.views} photos made in {seconds:.0f} s" if new else "nothing left to make"
            terminal.result(f"{self.out}: {self.count * self.views} photos of {self.count} people ({made})")
        return 0
