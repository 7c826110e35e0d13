"""Which images a trial was trained and compared on."""

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from stages.runtime.errors import InputError
from tools.trials.chain import make_entry
from tools.trials.lab import Lab
from tools.trials.results import read_held_out
from tools.trials.trial import Trial

CODE = "stages/"


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
    _, found = lab.find_outputs(loading, entry)
    if found is None:
        raise InputError(f"{lab.raw} of a trial is no longer in DVC's cache; run this again")
    images, _ = read_held_out(lab, found[lab.raw], parameters["fold"])
    hashes = [blake2b(one.tobytes(), digest_size=16).hexdigest() for one in images]
    return np.array(hashes, dtype=np.bytes_)
