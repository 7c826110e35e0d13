"""Whether .venv starts here; run by its own Python, which imports nothing else: 15 ms.

.venv/bin/python -IS tools/venv/usable.py [PYTHON]

PYTHON is one that .venv should be of. Prints what is wrong, and then exits with 1.
"""

import os
import sys


def find_fault(bin_folder: str, wanted: str) -> str:
    """Why the environment must be made again; empty if it need not."""
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    packages = os.path.join(os.path.dirname(bin_folder), "lib", f"python{version}", "site-packages")
    if not os.path.isdir(packages):
        return f"it is of another Python than {version}, which is there now"
    if wanted:
        own = "import sys; print(*sys.version_info[:2], sep='.')"
        found = os.popen(f'{wanted} -ISc "{own}" 2>&1').read().strip()
        if found != version:
            return f"it is of Python {version}, and {wanted} is {found[:40] or 'missing'}"
    try:
        starter = read_starter(os.path.join(bin_folder, "dvc"))
        if os.path.samefile(os.path.dirname(starter), bin_folder) and os.path.exists(starter):
            return ""
    except OSError as error:
        return f"{error.filename} is missing: it was moved, or not finished"
    return f"its programs are those of {starter}: it was copied"


def read_starter(program: str) -> str:
    """The Python that a program of the environment names in its first lines, as pip writes them."""
    with open(program, encoding="utf-8") as file:
        line = file.readline().removeprefix("#!").strip()
        if line == "/bin/sh":  # a long path, or one with a blank
            line = file.readline().partition(" ")[2].partition(' "$0"')[0]
    return line.strip('"')


if __name__ == "__main__":
    if fault := find_fault(os.path.dirname(sys.executable), " ".join(sys.argv[1:])):
        print(fault)
        sys.exit(1)
