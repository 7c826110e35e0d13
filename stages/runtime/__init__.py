"""How a stage runs.

Importing it replaces sys.excepthook, so whatever imports it before any library prints one line if a
library is missing.
"""

import sys
from types import TracebackType


def explain(error: ImportError) -> str:
    """What is wrong with the environment, in one line."""
    try:
        from stages.runtime.pins import require_all_pins

        require_all_pins()
    except ImportError:  # what reads the pins is missing, too
        pass
    except (ValueError, OSError) as wrong:
        return str(wrong)
    return f"{error} in {sys.prefix}; run `make install` and use .venv/bin/python"


def is_own(error: ImportError) -> bool:
    """Whether it is about a module of this project: then its traceback helps, not the pins."""
    return (error.name or "").partition(".")[0] in ("stages", "tools", "benchmarks")


def report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Replaces sys.excepthook: a missing package is one line, as all errors after the imports."""
    if not isinstance(error, ImportError) or is_own(error) or sys.flags.dev_mode:
        sys.__excepthook__(kind, error, trace)
        sys.exit(1)
    program = sys.argv[0].rpartition("/")[2].removesuffix(".py")
    print(f"{program}: error: {explain(error)}", file=sys.stderr)
    sys.exit(2)


sys.excepthook = report
