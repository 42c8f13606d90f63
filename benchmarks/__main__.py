"""Run every ``bench_*.py`` beside this file and print one table: ``python benchmarks [NAME...]``.

Each has ``run() -> list of (what, value, unit)``; values are medians of warm repetitions unless they say otherwise.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table


def main(names: list[str]) -> int:
    """Run the named benchmarks (``pipeline`` for ``bench_pipeline.py``), or all."""
    here = Path(__file__).parent
    found = {path.stem.removeprefix("bench_"): path for path in sorted(here.glob("bench_*.py"))}
    unknown = [name for name in names if name not in found]
    if unknown:
        sys.stderr.write(f"no benchmark {', '.join(unknown)}; there are {', '.join(found)}\n")
        return 2
    table = Table("benchmark", "what", "value", "unit", title=f"{platform.machine()}, {os.cpu_count()} cores")
    table.columns[2].justify = "right"
    for name in names or found:
        spec = importlib.util.spec_from_file_location(f"bench_{name}", found[name])
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for what, value, unit in module.run():
            table.add_row(name, what, f"{value:.3g}" if value < 100 else f"{value:.0f}", unit)
    Console().print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
