"""``facefuse models``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from tyro.conf import Positional, arg, subcommand

from facefuse.cli import terminal
from facefuse.errors import UsageError


@dataclass(frozen=True)
class ListModels:
    """List the face models."""

    def run(self) -> int:
        """Run the command."""
        from facefuse.morphable.registry import model_names, registered_model

        for name in model_names():
            terminal.result(f"{name:<12} {registered_model(name).description}")
        return 0


@dataclass(frozen=True)
class ShowModel:
    """Show one face model: size, expressions, licence, whom to credit."""

    name: Annotated[Positional[str], arg(metavar="NAME")]
    """As 'facefuse models list' prints it, or a file that 'facefuse models import' wrote."""

    def run(self) -> int:
        """Run the command."""
        from facefuse.morphable.registry import SUFFIX, load_model, registered_model

        entry = None if self.name.endswith(SUFFIX) else registered_model(self.name)
        model = load_model(self.name)
        facts = {
            "name": entry.name if entry else model.name,
            "description": entry.description if entry else "imported",
            "file": entry.file if entry else self.name,
            "vertices": model.vertex_count,
            "triangles": len(model.triangles),
            "identity modes": model.identity_count,
            "MediaPipe points": len(model.mesh_points),
            "regions": ", ".join(model.region_names),
            "expressions": f"{model.expression_count}: {', '.join(model.expression_names)}",
            "licence": entry.licence if entry else model.licence,
            "credit": entry.credit if entry else model.credit,
        }
        for key, value in facts.items():
            terminal.result(f"{key:<17} {value}")
        return 0


@dataclass(frozen=True)
class ImportModel:
    """Convert a face model of another project's file format, once; the result is given to --model."""

    file: Annotated[Positional[str], arg(metavar="FILE")]
    """The model's file, under its own licence."""

    out: Annotated[str, arg(metavar="FILE.safetensors")]
    """Where to write the converted model."""

    format: Literal["deep3d", "3ddfa"] = "deep3d"
    """deep3d: BFM_model_front.mat, the Basel Face Model 2009 as Deep3DFaceRecon and DF-MVR pack it. 3ddfa: the folder
    "configs" of 3DDFA, 2DASL or 3DDFA_V2, with the same model."""

    def run(self) -> int:
        """Run the command."""
        from facefuse.morphable.importers.bfm_3ddfa import read_bfm_3ddfa
        from facefuse.morphable.importers.bfm_deep3d import read_deep3d
        from facefuse.morphable.io import write_model
        from facefuse.morphable.registry import SUFFIX

        if not self.out.endswith(SUFFIX):
            raise UsageError(f"--out {self.out}: expected a name that ends in {SUFFIX}")
        model = read_bfm_3ddfa(self.file).to_face_model() if self.format == "3ddfa" else read_deep3d(self.file).model
        try:
            write_model(model, self.out)
        except OSError as error:
            raise UsageError(f"--out {self.out}: cannot be written ({error.strerror})") from error
        terminal.note(f"{model.name}: {model.licence}")
        terminal.result(self.out)
        return 0


@dataclass(frozen=True)
class Models:
    """List, show or import face models."""

    command: (
        Annotated[ListModels, subcommand("list")]
        | Annotated[ShowModel, subcommand("show")]
        | Annotated[ImportModel, subcommand("import")]
    )

    def run(self) -> int:
        """Run the command."""
        return self.command.run()
