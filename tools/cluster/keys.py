"""The certificates of a cluster: an authority of its own, and one certificate for all machines."""

import datetime
import os
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tools.cluster.address import AUTHORITY, NODE, NODE_KEY

DAYS = 365


def write_keys(folder: Path) -> None:
    """Writes the certificates of a new authority and of a node, and the node's key.

    The authority's key is not kept: nobody can make more certificates of it.
    """
    now = datetime.datetime.now(datetime.UTC)
    authority_key, node_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = name("cluster authority")
    usages = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]

    def build(subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(authority)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))  # clocks differ
            .not_valid_after(now + datetime.timedelta(days=DAYS))
        )

    own = build(authority, authority_key).add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True
    )
    node = build(name("cluster node"), node_key).add_extension(
        x509.ExtendedKeyUsage(usages), critical=False
    )
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    for file, certificate in ((AUTHORITY, own), (NODE, node)):
        signed = certificate.sign(authority_key, hashes.SHA256())
        write_private(folder / file, signed.public_bytes(serialization.Encoding.PEM))
    write_private(
        folder / NODE_KEY,
        node_key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )


def name(common: str) -> x509.Name:
    """The name that a certificate has."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def write_private(path: Path, content: bytes) -> None:
    """Writes a file that no other user can ever read."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
