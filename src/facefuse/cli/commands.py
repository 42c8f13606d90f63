"""All commands, and the parser that turns words into one of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Protocol, cast

import tyro
from tyro.conf import FlagCreatePairsOff, OmitArgPrefixes, OmitSubcommandPrefixes, subcommand

from facefuse.cli.detect import Detect
from facefuse.cli.evaluate import Evaluate
from facefuse.cli.models import Models
from facefuse.cli.reconstruct import Demo, Reconstruct
from facefuse.cli.synthesize import Synthesize
from facefuse.cli.train import ExportOnnx, Train

Commands = (
    Annotated[Reconstruct, subcommand("reconstruct")]
    | Annotated[Detect, subcommand("detect")]
    | Annotated[Demo, subcommand("demo")]
    | Annotated[Models, subcommand("models")]
    | Annotated[Evaluate, subcommand("evaluate")]
    | Annotated[Synthesize, subcommand("synthesize")]
    | Annotated[Train, subcommand("train")]
    | Annotated[ExportOnnx, subcommand("export-onnx")]
)

DESCRIPTION = (
    "Ordinary photos of a face in, an accurate, textured, animatable 3D head out. "
    "Exit codes: 0 done, 2 wrong usage, 3 an input could not be used, 1 anything else."
)


class Command(Protocol):
    """A parsed command."""

    def run(self) -> int:
        """Run the command and return the exit code."""
        ...


def parse(words: Sequence[str]) -> Command:
    """Parse the words of a command line.

    Raises
    ------
    SystemExit
        With 2 after wrong usage has been explained on stderr, with 0 after ``--help``.
    """
    found = tyro.cli(
        Commands,  # type: ignore[arg-type]
        prog="facefuse",
        description=DESCRIPTION,
        args=words,
        config=(FlagCreatePairsOff, OmitArgPrefixes, OmitSubcommandPrefixes),
    )
    return cast("Command", found)
