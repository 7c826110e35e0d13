"""Reads 60,000 images of 784 pixels from CSV: this pipeline's reader against np.loadtxt.

    .venv/bin/python -m benchmarks.read_csv

writes such a file (133 MB) to a temporary folder, reads it alternately in both ways, each time in a
new process, and prints seconds, their ratio, and how much reading raises peak memory.
"""

import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
from tabulate import tabulate

from stages.sources import sheet

ROWS, RUNS = 60_000, 5
WAYS = {
    "np.loadtxt(path, delimiter=',')": "np.loadtxt(path, delimiter=',')",
    "stages/sources/csv.py": "csv.read_numbers(csv.open_table(path, csv.LARGEST, ()), None, None)",
}
MEASURE = """
import sys, time
from pathlib import Path
import numpy as np
from stages.sources import csv
def peak():  # in kilobytes, of this process only: getrusage starts from the parent's peak
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])
path = Path(sys.argv[1])
before, start = peak(), time.perf_counter()
pixels = {read}
print(time.perf_counter() - start)
print((peak() - before) / 1000)
assert pixels.shape == ({rows}, 784)
"""


def main() -> None:
    """Measures both ways and prints a table."""
    images, _ = sheet.read_files(sheet.find(Path("data/sample/fashion_mnist"))["train"])
    rows = np.tile(images.reshape(len(images), -1), (ROWS // len(images), 1))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "images.csv"
        np.savetxt(path, rows, fmt="%d", delimiter=",")
        size = path.stat().st_size / 1e6
        results: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
        for _ in range(RUNS):
            for way, read in WAYS.items():
                results[way].append(measure(MEASURE.format(read=read, rows=ROWS), path))
    plain, _ = (median(values) for values in zip(*results[next(iter(WAYS))], strict=True))
    table = []
    for way, runs in results.items():
        seconds, megabytes = (median(values) for values in zip(*runs, strict=True))
        table.append([way, f"{seconds:.2f}", f"{plain / seconds:.1f}", f"{megabytes / size:.2f}"])
    header = ["way", "seconds", "times as fast", "peak memory / file size"]
    print(f"{size:.0f} MB, medians of {RUNS} runs\n")
    print(tabulate(table, header, tablefmt="github", disable_numparse=True))


def measure(code: str, path: Path) -> tuple[float, float]:
    """Seconds, and megabytes of peak memory, of one run in its own process."""
    result = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, check=True, encoding="utf-8"
    )
    seconds, megabytes = map(float, result.stdout.split())
    return seconds, megabytes


if __name__ == "__main__":
    main()
