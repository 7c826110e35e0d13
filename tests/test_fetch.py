"""Downloads from a real server that misbehaves; files with a wrong hash are never used."""

import gzip
import io
import re
import tarfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import ROOT

from stages import fetch
from stages.downloads import published
from stages.downloads.download import download
from stages.runtime.errors import InputError
from stages.sources import sheet

CONTENT = bytes(range(256)) * 4000
WRONG_IDX = gzip.compress(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 7, 7]))  # three bytes of 7


class Server(ThreadingHTTPServer):
    """Serves CONTENT, with a fault named by the path; records the requests."""

    daemon_threads = True
    requests: list[str]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Server)
        asked = self.headers.get("Range", "all")
        self.server.requests.append(asked)
        fault, times = self.path.strip("/"), len(self.server.requests)
        if fault.endswith(".gz"):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(WRONG_IDX)
        elif fault == "missing":
            self.send_error(404)
        elif fault == "busy-twice" and times <= 2:
            self.send_error(503)
        elif fault == "hangs":
            time.sleep(3)
        else:
            start = 0
            if asked != "all" and fault != "no-ranges":
                start = int(asked.removeprefix("bytes=").removesuffix("-"))
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(CONTENT) - start))
            self.end_headers()
            end = len(CONTENT)
            if fault == "cut-off-always" or (fault in ("cut-off", "no-ranges") and times == 1):
                end = start + 131_072
            self.wfile.write(CONTENT[start:end])

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as server:
        server.requests = []
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        yield server
        server.shutdown()


def fetch_from(server: Server, fault: str, path: Path) -> None:
    download(f"http://127.0.0.1:{server.server_port}/{fault}", path, timeout=(0.2, 0.2), pause=0.01)


def test_a_file_is_downloaded_whole(server: Server, tmp_path: Path) -> None:
    fetch_from(server, "fine", tmp_path / "new" / "file")
    assert (tmp_path / "new" / "file").read_bytes() == CONTENT
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["file"]


def test_what_was_cut_off_is_resumed(server: Server, tmp_path: Path) -> None:
    fetch_from(server, "cut-off", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert server.requests == ["all", "bytes=131072-"]


def test_a_server_without_ranges_starts_over(server: Server, tmp_path: Path) -> None:
    fetch_from(server, "no-ranges", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_a_later_call_resumes(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.partial").write_bytes(CONTENT[:777])
    fetch_from(server, "fine", tmp_path / "file")
    assert server.requests == ["bytes=777-"]
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_a_busy_server_is_asked_again(server: Server, tmp_path: Path) -> None:
    fetch_from(server, "busy-twice", tmp_path / "file")
    assert len(server.requests) == 3
    assert (tmp_path / "file").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("fault", "message", "requests"),
    [
        ("missing", "status 404", 1),
        ("hangs", "no answer in time, 4 times", 4),
        ("cut-off-always", "cut off, 4 times", 4),
    ],
)
def test_what_fails_says_why_and_leaves_no_file(
    server: Server, tmp_path: Path, fault: str, message: str, requests: int
) -> None:
    with pytest.raises(InputError, match=message):
        fetch_from(server, fault, tmp_path / "file")
    assert len(server.requests) == requests
    assert not (tmp_path / "file").exists()


def test_no_server(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be reached, 4 times"):
        download("http://127.0.0.1:9/file", tmp_path / "file", pause=0.01)


def toy_arrays() -> published.Arrays:
    return {
        name: np.zeros((2, 3), dtype=np.uint8) for name in published.PUBLISHED["cifar10"].sha256
    }


def test_wrong_bytes_are_never_used(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"train-images-idx4-ubyte has SHA-256 .*, expected"):
        fetch.write("cifar10", tmp_path / "out", toy_arrays())
    assert list(tmp_path.iterdir()) == []


def test_wrong_bytes_of_a_server_are_never_used(
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    url = f"http://127.0.0.1:{server.server_port}"
    with pytest.raises(InputError, match=r"no source provided it, see above; .* train-images-idx3"):
        fetch.fetch(
            "fashion_mnist", Path("out"), {"server": lambda: published.fashion_mnist_upstream(url)}
        )
    said = capsys.readouterr().out
    assert re.search("train-images-idx3-ubyte has SHA-256 .*; it is not used", said)
    assert len(server.requests) == 4
    assert list(published.DOWNLOADS.iterdir()) == []
    assert not Path("out").exists()


def test_the_next_source_is_tried_and_all_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def unreachable() -> published.Arrays:
        raise InputError("cannot be reached")

    with pytest.raises(InputError) as error:
        fetch.fetch("cifar10", tmp_path / "out", {"one": unreachable, "two": toy_arrays})
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["cifar10: from one", "cifar10: cannot be reached", "cifar10: from two"]
    assert lines[3].startswith("cifar10: train-images-idx4-ubyte has SHA-256")
    said = "put cifar-10-binary.tar.gz into data/downloads/ and run this again"
    assert str(error.value).endswith(said)
    assert not (tmp_path / "out").exists()


def test_the_published_archive_of_cifar10_is_read(tmp_path: Path) -> None:
    images, labels = sheet.read_files(sheet.find(ROOT / "data" / "sample" / "cifar10")["test"])
    records = np.concatenate(
        [labels[:, None].astype(np.uint8), images.transpose(0, 3, 1, 2).reshape(len(images), -1)],
        axis=1,
    )
    with tarfile.open(tmp_path / "cifar-10-binary.tar.gz", "w:gz") as archive:
        for batch in [*published.CIFAR10_BATCHES["train"], *published.CIFAR10_BATCHES["t10k"]]:
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{batch}.bin")
            member.size = records.nbytes
            archive.addfile(member, io.BytesIO(records.tobytes()))
    arrays = published.cifar10_upstream(folder=tmp_path)
    np.testing.assert_array_equal(arrays["t10k-images-idx4-ubyte"], images)
    np.testing.assert_array_equal(arrays["t10k-labels-idx1-ubyte"], labels)
    assert arrays["train-images-idx4-ubyte"].shape == (5 * len(images), 32, 32, 3)
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(b"not an archive")
    with pytest.raises(InputError, match="not a valid archive of CIFAR-10"):
        published.cifar10_upstream(folder=tmp_path)


@pytest.mark.parametrize("bomb", ["members", "header", "content"])
def test_an_archive_does_not_become_more_than_it_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bomb: str
) -> None:
    path = tmp_path / "cifar-10-binary.tar.gz"
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as archive:
        for number in range(1001 if bomb == "members" else 1):
            member = tarfile.TarInfo(f"{number}")
            if bomb == "header":
                member.pax_headers = {"comment": "x" * 2_000_000}
            member.size = 2_000_000 if bomb == "content" else 0
            archive.addfile(member, io.BytesIO(bytes(member.size)))
    assert path.stat().st_size < 100_000
    monkeypatch.setattr(published, "LARGEST", 1_000_000)
    with pytest.raises(InputError, match=r"not a valid archive of CIFAR-10 \(more than 1 MB"):
        published.cifar10_upstream(folder=tmp_path)


def test_what_dvc_fetches_is_what_is_known() -> None:
    stages = yaml.safe_load((ROOT / "data" / "dvc.yaml").read_text())["stages"]
    assert stages["fetch"]["foreach"] == list(published.PUBLISHED)
