"""Makes the certificates by which the machines of a cluster know each other.

.venv/bin/python -m tools.cluster_keys
"""

from stages.runtime.command import run

import typer

from stages.runtime.errors import InputError
from tools.cluster.address import KEYS
from tools.cluster.keys import DAYS, write_keys


def main() -> None:
    """Writes .cluster/keys, which git ignores, and says where to copy it."""
    if KEYS.exists():
        raise InputError(
            f"{KEYS} exists; remove it to make new certificates, and then copy these everywhere"
        )
    write_keys(KEYS)
    typer.echo(
        f"{KEYS} has the certificates of a new cluster, for {DAYS} days. Whoever has it runs code "
        "as you on all machines that do. Copy it to each, where only you can read it:\n"
        f"  scp -pr {KEYS} MACHINE:PROJECT/.cluster/\n"
        "Then run `make scheduler` on one machine, and `make worker CLUSTER=tls://THAT:8786` on "
        "the others."
    )


if __name__ == "__main__":
    run(main, "pipeline")
