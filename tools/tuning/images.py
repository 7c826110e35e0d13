"""Which images a trial was trained and compared on."""

import numpy as np
from numpy.typing import NDArray

from stages.runtime.errors import InputError
from tools.trials.chain import make_entry
from tools.trials.lab import Lab
from tools.trials.results import identify_held_out
from tools.trials.trial import Trial

CODE = ("stages/", "tools/")


def find_data_hash(lab: Lab) -> str:
    """The hash of the data set of a run, as dvc.lock has it."""
    (root,) = (root for path, root in lab.roots.items() if not path.startswith(CODE))
    return str(root.entry["md5"])


def identify_images(lab: Lab, trial: Trial) -> NDArray[np.bytes_]:
    """A hash of each validation image, (n,), of a trial that was made: of its pixels as read.

    Raises:
        InputError: they are no longer in DVC's cache.
    """
    parameters, contents = lab.find_parameters(trial), dict(lab.gates)
    loading = next(link for link in lab.chain if lab.raw in link.outs)
    entry = make_entry(loading, parameters, lab.roots, contents)
    _, found = lab.find_outputs(loading, entry, here=False)
    if found is None:
        raise InputError(f"{lab.raw} of a trial is no longer in DVC's cache; run this again")
    return identify_held_out(lab, found, parameters)
