"""Where a cluster is, and who may use it: by certificates of its own, or on this machine alone."""

import ipaddress
import re
import socket
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any

from stages.runtime.errors import InputError

FOLDER = Path(".cluster")  # in which all is that is kept of a cluster
KEYS = FOLDER / "keys"
PATIENCE = 5.0  # seconds for a scheduler to answer
AUTHORITY, NODE, NODE_KEY = "ca.pem", "node.pem", "node-key.pem"
ENDS_WITH = "CLUSTER_PARENT"  # a variable with the number of the process that a worker ends with
INSTALL = "run `make setup EXTRA=cluster`, which adds Dask"


def require_dask() -> None:
    """Raises an InputError if the optional packages are missing."""
    try:
        import distributed  # noqa: F401
    except ImportError:
        raise InputError(f"a cluster needs packages that are not installed; {INSTALL}") from None


def require_address(address: str) -> None:
    """Refuses an address at which strangers could run code, or that is none.

    Raises:
        InputError: it is not tls://HOST:PORT, nor tcp:// on this machine.
    """
    found = re.fullmatch(r"(tls|tcp)://(\[[0-9a-fA-F:]+\]|[\w.-]+):(\d{1,5})", address)
    if not found:
        raise InputError(f"CLUSTER is {address!r:.80}; write it as tls://HOST:8786")
    if found[1] == "tcp" and not is_of_this_machine(found[2].strip("[]")):
        raise InputError(
            f"{address}: without certificates, whoever reaches this port runs code as you; run "
            "`make cluster-keys` and use tls://, or an SSH tunnel to tcp://127.0.0.1"
        )
    if found[1] == "tls":
        require_keys()


def is_of_this_machine(host: str) -> bool:
    """Whether a host is a loopback address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def require_keys() -> None:
    """Raises an InputError if certificates are missing, or others can read their key."""
    for name in (AUTHORITY, NODE, NODE_KEY):
        if not (KEYS / name).exists():
            raise InputError(
                f"{KEYS / name} is missing; run `make cluster-keys` on one machine, and copy "
                f"{KEYS} from there to the others"
            )
    if (KEYS / NODE_KEY).stat().st_mode & 0o077:
        raise InputError(
            f"others can read {KEYS / NODE_KEY}, with which they can run code as you; run `chmod "
            f"600 {KEYS / NODE_KEY}`"
        )


def require_answer(address: str) -> None:
    """Talks to a scheduler as far as it says who it is: what Dask says of a refusal is no help.

    Raises:
        InputError: none answers, or it or this machine refuses the other's certificates.
    """
    host, _, port = address.partition("://")[2].rpartition(":")
    try:
        plain = socket.create_connection((host.strip("[]"), int(port)), PATIENCE)
        one = find_context().wrap_socket(plain) if address.startswith("tls:") else plain
        with one, suppress(ConnectionResetError, TimeoutError):
            if one.recv(1):  # Dask speaks first; with TLS, the one who connects does
                return
    except ssl.SSLError as error:
        if "WRONG_VERSION" in str(error) or "RECORD_LAYER" in str(error):
            raise InputError(
                f"{address}: it speaks no TLS; was its scheduler begun as tcp://?"
            ) from None
        raise InputError(
            f"{address}: its certificates are of another cluster ({error.reason}); copy {KEYS} "
            "from the scheduler's machine to here"
        ) from None
    except OSError as error:
        raise InputError(
            f"{address}: no scheduler answers ({error.strerror or error}); run `make scheduler` "
            "there, and look at its firewall"
        ) from None
    raise InputError(
        f"{address}: the scheduler wants certificates; use tls://, with the {KEYS} of its machine"
    )


def find_context() -> ssl.SSLContext:
    """How this machine proves who it is, and learns who the scheduler is."""
    context = ssl.create_default_context(cafile=str(KEYS / AUTHORITY))
    context.check_hostname = False  # all machines have the same certificate
    context.load_cert_chain(KEYS / NODE, KEYS / NODE_KEY)
    return context


def find_security(address: str) -> Any:
    """Dask's own settings for an address; none without encryption.

    Raises:
        InputError: certificates are missing, or others can read their key.
    """
    from distributed.security import Security

    if address.startswith("tcp://"):
        return Security()
    require_keys()
    node = {"cert": str(KEYS / NODE), "key": str(KEYS / NODE_KEY)}
    roles = {
        f"tls_{role}_{what}": path
        for role in ("client", "scheduler", "worker")
        for what, path in node.items()
    }
    return Security(tls_ca_file=str(KEYS / AUTHORITY), require_encryption=True, **roles)


def name_options(address: str) -> list[str]:
    """The options of Dask's programs for an address, and for what makes them this project's."""
    options = ["--preload", "tools.cluster.join"]
    if address.startswith("tls://"):
        for option, name in (("ca-file", AUTHORITY), ("cert", NODE), ("key", NODE_KEY)):
            options += [f"--tls-{option}", str(KEYS / name)]
        options += ["--protocol", "tls"]
    return options
