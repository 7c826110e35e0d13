"""Downloads a file over HTTP completely or not at all: resumes, retries, shows its progress."""

import os
from pathlib import Path

import requests
import urllib3
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_exponential
from tqdm import tqdm

from stages.runtime.errors import InputError
from stages.runtime.inputs import MB

TIMEOUT = (10, 30)  # seconds to connect, and between two pieces of the file
PIECE = 1 << 16
LARGEST = 1_000 * MB  # bytes; the largest that is published has 170 MB


class TransientError(Exception):
    """A failure that a retry may fix."""


def download(
    url: str, path: Path, timeout: tuple[float, float] = TIMEOUT, pause: float = 1
) -> None:
    """Downloads `url` to `path`, through `path`.partial, which a later call resumes.

    After a lost connection, a timeout or a server error it tries again, four times in all, with
    pauses of `pause`, 2 * `pause` and 4 * `pause` seconds.

    Raises:
        InputError: the server refused, or all tries failed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    attempt = retry(
        retry=retry_if_exception_type(TransientError),
        stop=stop_after_attempt(4),
        wait=wait_exponential(multiplier=pause),
        before_sleep=lambda state: print(
            f"{state.outcome and state.outcome.exception()}; trying again"
        ),
        reraise=True,
    )(_download_once)
    try:
        attempt(url, partial, timeout)
    except TransientError as error:
        raise InputError(f"{error}, 4 times") from None
    partial.replace(path)


def _download_once(url: str, partial: Path, timeout: tuple[float, float]) -> None:
    """Appends the missing bytes to `partial`."""
    have = partial.stat().st_size if partial.exists() else 0
    try:
        with requests.get(
            url,
            stream=True,
            timeout=timeout,
            # A response compressed in transit has no length to resume from.
            headers={"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {}),
        ) as response:
            if response.status_code == requests.codes.range_not_satisfiable:
                partial.unlink()  # longer than the file, so not its beginning
                raise TransientError(f"{url}: changed since its download was cut off")
            if response.status_code >= 500:
                raise TransientError(f"{url}: status {response.status_code}")
            if not response.ok:
                raise InputError(f"{url}: status {response.status_code} ({response.reason})")
            resumed = response.status_code == requests.codes.partial_content
            have = have if resumed else 0
            length = response.headers.get("Content-Length", "")
            with (
                partial.open("ab" if resumed else "wb") as file,
                tqdm(
                    desc=partial.name.removesuffix(".partial"),
                    total=have + int(length) if length.isdecimal() else None,
                    initial=have,
                    unit="B",
                    unit_scale=True,
                    disable=None,  # if there is no terminal
                ) as progress,
            ):
                for piece in response.iter_content(PIECE):
                    progress.update(file.write(piece))
                    if file.tell() > LARGEST:
                        raise InputError(f"{url}: more than {LARGEST / MB:,.0f} MB; not used")
                file.flush()
                os.fsync(file.fileno())
    except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise TransientError(f"{url}: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    """The error in a few words: the libraries' own messages are chains of object addresses."""
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not valid"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "cut off"
    return "cannot be reached"
