"""What Ctrl-C and SIGTERM do while stages run."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def call_on_signals(interrupt: Callable[[], None]) -> Iterator[int]:
    """Calls `interrupt` on SIGINT and SIGTERM, which then cut off no line of other code.

    Yields a file descriptor that can be read once one has arrived.
    """
    arrived, send = os.pipe()

    def note(_signal: int, _frame: FrameType | None) -> None:
        interrupt()
        os.write(send, b"!")

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield arrived
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(arrived)
        os.close(send)
