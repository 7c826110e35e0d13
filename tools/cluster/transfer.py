"""How files go between a machine and the scheduler, which keeps those that several need.

Every machine only connects to the scheduler; none to another.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from stages.runtime.errors import InputError
from tools.cluster.depot import BLOCK, Depot

Call = Callable[..., Awaitable[Any]]  # the scheduler's `depot`: an operation and its arguments


def serve(depot: Depot) -> Call:
    """What the scheduler answers about its files; reading and writing never stops it."""

    async def answer(what: str, arguments: list[Any]) -> Any:
        operations: dict[str, Callable[..., Any]] = {
            "lacking": depot.find_lacking,
            "read": depot.read,
            "append": depot.append,
            "complete": depot.complete,
            "drop_damaged": depot.drop_damaged,
        }
        try:
            return await asyncio.to_thread(operations[what], *arguments)
        except FileNotFoundError:
            return None

    return answer


async def upload(call: Call, paths: dict[str, Path]) -> int:
    """Sends files that the scheduler lacks, by their MD5s; returns the number of bytes sent.

    Raises:
        InputError: a file has other content than its MD5 says.
    """
    total = 0
    for md5 in await call("lacking", [list(paths)]):
        token = uuid.uuid4().hex
        with paths[md5].open("rb") as file:
            while True:
                block = await asyncio.to_thread(file.read, BLOCK)
                await call("append", [md5, token, block])
                total += len(block)
                if len(block) < BLOCK:
                    break
        if not await call("complete", [md5, token]):
            raise InputError(f"{paths[md5]} changed while it was sent; run again")
    return total


async def download(call: Call, md5: str, target: Path) -> bool:
    """Writes a file that the scheduler has to a path; false if it has it not, or damaged."""
    start = 0
    with target.open("wb") as file:
        while True:
            block = await call("read", [md5, start])
            if block is None:
                return False
            await asyncio.to_thread(file.write, block)
            start += len(block)
            if len(block) < BLOCK:
                return True
