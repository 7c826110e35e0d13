"""How a stage runs.

Whoever imports this package first, before any library, gets one line if a library is missing.
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


def report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Replaces sys.excepthook: an ImportError is one line, as all errors are after the imports."""
    if not isinstance(error, ImportError) or sys.flags.dev_mode:
        sys.__excepthook__(kind, error, trace)
        return
    program = sys.argv[0].rpartition("/")[2].removesuffix(".py")
    print(f"{program}: error: {explain(error)}", file=sys.stderr)
    sys.exit(2)


sys.excepthook = report
