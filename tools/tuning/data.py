"""The data that trials were made with."""

from tools.trials.lab import Lab

CODE = ("stages/", "tools/")


def find_data_hash(lab: Lab) -> str:
    """The hash of the data set of a run, as dvc.lock has it."""
    (root,) = (root for path, root in lab.roots.items() if not path.startswith(CODE))
    return str(root.entry["md5"])
