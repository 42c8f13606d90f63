"""``facefuse models``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from tyro.conf import Positional, arg, subcommand

from facefuse.cli import terminal


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
    """As 'facefuse models list' prints it."""

    def run(self) -> int:
        """Run the command."""
        from facefuse.morphable.registry import load_model, registered_model

        entry = registered_model(self.name)
        model = load_model(self.name)
        facts = {
            "name": entry.name,
            "description": entry.description,
            "file": entry.file,
            "vertices": model.vertex_count,
            "triangles": len(model.triangles),
            "identity modes": model.identity_count,
            "MediaPipe points": len(model.mesh_points),
            "regions": ", ".join(model.region_names),
            "expressions": f"{model.expression_count}: {', '.join(model.expression_names)}",
            "licence": entry.licence,
            "credit": entry.credit,
        }
        for key, value in facts.items():
            terminal.result(f"{key:<17} {value}")
        return 0


@dataclass(frozen=True)
class Models:
    """List or show the face models."""

    command: Annotated[ListModels, subcommand("list")] | Annotated[ShowModel, subcommand("show")]

    def run(self) -> int:
        """Run the command."""
        return self.command.run()
