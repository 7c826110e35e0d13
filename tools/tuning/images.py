"""Which images a trial was trained and compared on."""

from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.runtime.errors import InputError
from tools.trials.chain import make_entry
from tools.trials.contents import require_intact
from tools.trials.lab import Lab
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
    path = f"data/raw/{lab.dataset}"
    loading = next(link for link in lab.chain if path in link.outs)
    entry = make_entry(loading, parameters, lab.roots, contents)
    _, found = lab.find_outputs(loading, entry)
    if found is None:
        raise InputError(f"{path} of a trial is no longer in DVC's cache; run this again")
    name = "validation/images.npy"
    file = require_intact(lab.repo, found[path][name], f"{path}/{name}", lab.checked)
    return hash_images(file)


def hash_images(path: Path) -> NDArray[np.bytes_]:
    """A hash of each image of an array file."""
    images = np.load(path, mmap_mode="r", allow_pickle=False)
    hashes = [blake2b(one.tobytes(), digest_size=16).hexdigest() for one in images]
    return np.array(hashes, dtype=np.bytes_)
