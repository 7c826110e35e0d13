"""The files of a machine of a cluster: nothing damaged is taken, and not more than fits."""

import hashlib
import os
from pathlib import Path

import pytest

from stages.runtime.errors import InputError
from tools.cluster.depot import Depot

TOKEN = "0" * 32


def name_of(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def test_what_is_sent_is_taken_if_it_is_what_its_name_says(tmp_path: Path) -> None:
    depot = Depot(tmp_path)
    for content in (b"content", b""):
        md5 = name_of(content)
        assert depot.find_lacking([md5]) == [md5]
        for block in (content[:3], content[3:]):
            depot.append(md5, TOKEN, block)
        assert depot.complete(md5, TOKEN)
        assert depot.find_lacking([md5]) == []
        assert depot.read(md5, 0) == content
        assert depot.read(md5, 3) == content[3:]
    depot.append(name_of(b"other"), TOKEN, b"wrong")
    assert not depot.complete(name_of(b"other"), TOKEN)
    assert depot.find_lacking([name_of(b"other")]) == [name_of(b"other")]
    assert not list((tmp_path / "partial").iterdir())


def test_what_is_damaged_goes(tmp_path: Path) -> None:
    depot, source = Depot(tmp_path / "depot"), tmp_path / "source"
    source.write_bytes(b"content")
    md5 = name_of(b"content")
    depot.add(source, md5)
    depot.drop_damaged(md5)
    assert depot.read(md5, 0) == b"content"
    depot.find(md5).write_bytes(b"damaged")
    depot.drop_damaged(md5)
    depot.drop_damaged(md5)  # it is gone
    assert depot.find_lacking([md5]) == [md5]
    source.write_bytes(b"edited")
    with pytest.raises(InputError, match=r"source changed while it was read; run again"):
        depot.add(source, md5)


def test_a_name_leads_nowhere_else(tmp_path: Path) -> None:
    depot = Depot(tmp_path)
    for name in ("../../etc/passwd", "a" * 31, "A" * 32, "", "0" * 32 + "\n"):
        with pytest.raises(InputError, match="is not an MD5"):
            depot.find(name)
        with pytest.raises(InputError):
            depot.append("0" * 32, name, b"")


def test_those_that_were_not_used_for_long_go_first(tmp_path: Path) -> None:
    contents = [bytes([number]) * 10 for number in range(5)]
    depot = Depot(tmp_path, limit=25)
    for number, content in enumerate(contents):
        depot.append(name_of(content), TOKEN, content)
        depot.complete(name_of(content), TOKEN)
        os.utime(depot.find(name_of(content)), (number, number))
    depot.find_lacking([name_of(contents[0])])  # is used now
    depot.append(name_of(b"half"), TOKEN, b"ha")
    depot.shrink()
    left = [number for number, one in enumerate(contents) if not depot.find_lacking([name_of(one)])]
    assert left == [0, 4]
    assert list((tmp_path / "partial").iterdir())  # it may still come
    depot.sweep()
    assert not (tmp_path / "partial").exists()
