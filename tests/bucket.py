"""A bucket of a server that speaks S3, in this process."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from conftest import ENVIRONMENT, ROOT, run

SERVER = "https://minio.example.org:9000"  # in the documentation
# With these, asking any other server, or a cloud for credentials, fails at once.
OFFLINE = {
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/missing",
    "AWS_SHARED_CREDENTIALS_FILE": "/missing",
    "HTTP_PROXY": "http://127.0.0.1:1",
    "HTTPS_PROXY": "http://127.0.0.1:1",
    "NO_PROXY": "127.0.0.1",
    "AWS_MAX_ATTEMPTS": "1",  # else 8 s until a server that does not listen is given up
}
SIGNED = {"Authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request"}


@dataclass(frozen=True)
class Bucket:
    """The bucket that docs/sharing.md names, at the address of a server."""

    server: str
    storage: str = "classifiers/storage"

    def send(self, method: str, path: str, content: bytes = b"") -> bytes:
        """Asks the server for a path, and returns what it answers."""
        address = f"{self.server}/{path}"
        with requests.Session() as session:
            session.trust_env = False  # proxies
            answer = session.request(method, address, data=content, headers=SIGNED, timeout=60)
        answer.raise_for_status()
        return answer.content

    def read(self, oid: str) -> bytes:
        """The content of one of DVC's objects."""
        return self.send("GET", self.locate(oid))

    def write(self, oid: str, content: bytes) -> None:
        """Replaces the content of one of DVC's objects."""
        self.send("PUT", self.locate(oid), content)

    def locate(self, oid: str) -> str:
        """The path of one of DVC's objects."""
        return f"{self.storage}/files/md5/{oid[:2]}/{oid[2:]}"

    def list_objects(self) -> list[str]:
        """The paths in the bucket."""
        listed = self.send("GET", f"{self.storage.partition('/')[0]}?list-type=2").decode()
        return re.findall(r"<Key>(.*?)</Key>", listed)

    def set_remote(self, project: Path) -> None:
        """Types the commands of docs/sharing.md that make a bucket the default remote."""
        section = (ROOT / "docs" / "sharing.md").read_text().partition("\n## S3\n")[2]
        commands = re.findall(r"^\.venv/bin/(dvc [^#\n]+)", section.partition("\n## ")[0], re.M)
        assert len(commands) > 3
        for command in commands:
            run(*command.replace(SERVER, self.server).split(), cwd=project)


@contextmanager
def open_bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """A new bucket, and programs that can reach no other server."""
    server = pytest.importorskip("moto.server", reason="run `make setup EXTRA=s3-server`")
    pytest.importorskip("dvc_s3", reason="run `make setup EXTRA=s3-server`")
    for name, value in OFFLINE.items():
        monkeypatch.setitem(ENVIRONMENT, name, value)
    thread = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    thread.start()
    try:
        host, port = thread.get_host_and_port()
        bucket = Bucket(f"http://{host}:{port}")
        bucket.send("POST", "moto-api/reset")  # what is left of another test in this process
        bucket.send("PUT", bucket.storage.partition("/")[0])
        yield bucket
    finally:
        thread.stop()
