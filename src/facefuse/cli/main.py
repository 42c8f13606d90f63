"""The entry point: ``facefuse``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from facefuse.cli.terminal import note
from facefuse.errors import FacefuseError, UnusableInput, UsageError
from facefuse.version import __version__


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if words in (["--version"], ["-V"]):
            print(f"facefuse {__version__}")
            return 0
        from facefuse.cli.commands import parse  # late: the parser takes longer to import than the version to print

        code = parse(words).run()
        sys.stdout.flush()
        return code
    except FacefuseError as error:
        note(f"error: {error}")
        return 2 if isinstance(error, UsageError) else 3 if isinstance(error, UnusableInput) else 1
    except MemoryError:
        note("error: there is not enough memory; use fewer or smaller photos, or a smaller --texture-size")
        return 1
    except BrokenPipeError:  # the reader of our output has gone: nothing to say, and nobody to say it to
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        note("interrupted")
        return 130


if __name__ == "__main__":
    sys.exit(main())
