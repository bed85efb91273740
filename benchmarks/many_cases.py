"""Score many pairs of small masks through the command: seconds, and whether memory grows with the cases.

Run: python benchmarks/many_cases.py [--cases 1000] [--jobs 2] [--out benchmarks/results]
"""

import argparse
import datetime
import json
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import psutil

SHAPE = (36, 50, 36)
"""About that of the Decathlon's hippocampus crops."""
_EVERY_SECONDS = 0.25


def write_pairs(folder: Path, cases: int, seed: int) -> None:
    """Two ellipsoids a case, and the same with their borders disturbed."""
    generator = np.random.default_rng(seed)
    places = np.indices(SHAPE)
    for name in ("reference", "prediction"):
        (folder / name).mkdir()
    for case in range(cases):
        labels = np.zeros(SHAPE, np.uint8)
        for value, middle in ((1, 15), (2, 34)):
            centre = np.array([18, middle, 18]) + generator.uniform(-2, 2, 3)
            distance = (((places - centre[:, None, None, None]) / np.array([9, 10, 8])[:, None, None, None]) ** 2).sum(
                0
            )
            labels[distance < 1] = value
        moved = np.roll(labels, 1, axis=case % 3)
        noise = generator.random(SHAPE) < 0.1
        moved[noise] = labels[noise]
        for name, data in (("reference", labels), ("prediction", moved)):
            nib.Nifti1Image(data, np.eye(4)).to_filename(folder / name / f"case{case:05d}.nii.gz")


def score(folder: Path, jobs: int) -> tuple[float, list[tuple[float, float]]]:
    """Run the command and watch the memory of it and its children.

    Returns:
        Seconds, and (seconds, MiB) while it ran. MiB are proportional set sizes where the system
        has them, so that shared pages count once.
    """
    program = str(Path(sys.executable).with_name("neurograft"))
    command = [program, "evaluate", "--reference", str(folder / "reference")]
    command += ["--prediction", str(folder / "prediction"), "--out", str(folder / "out"), "--jobs", str(jobs)]
    begin = time.perf_counter()
    process = psutil.Popen(command, stdout=subprocess.DEVNULL)
    memory = []
    while process.poll() is None:
        memory.append((time.perf_counter() - begin, _tree_mib(process)))
        time.sleep(_EVERY_SECONDS)
    if process.returncode:
        raise SystemExit(f"the command failed with status {process.returncode}")
    return time.perf_counter() - begin, memory


def _tree_mib(process: psutil.Popen) -> float:
    total = 0.0
    for one in (process, *process.children(recursive=True)):
        try:
            full = one.memory_full_info()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        total += getattr(full, "pss", full.rss) / 2**20
    return total


def main() -> None:
    """Run it once for a tenth of the cases and once for all, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    given = parser.parse_args()
    rows = []
    for cases in (max(1, given.cases // 10), given.cases):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_pairs(folder, cases, given.seed)
            seconds, memory = score(folder, given.jobs)
        rows.append({"cases": cases, "seconds": seconds, "peak_mib": max(mib for _, mib in memory)})
    record = {
        "command": f"python benchmarks/many_cases.py --cases {given.cases} --jobs {given.jobs} --seed {given.seed}",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "processor": _processor(),
        "cores": psutil.cpu_count(),
        "python": platform.python_version(),
        "rows": rows,
    }
    lines = [
        f"Pairs of {' x '.join(map(str, SHAPE))} voxels with two labels: overlap, both surface definitions, tables and "
        f"page, by `neurograft evaluate` with {given.jobs} processes.",
        "",
        "| pairs | seconds | pairs a second | peak memory, MiB |",
        "|---:|---:|---:|---:|",
        *(
            f"| {row['cases']} | {row['seconds']:.1f} | {row['cases'] / row['seconds']:.1f} | {row['peak_mib']:.0f} |"
            for row in rows
        ),
        "",
        f"{record['processor']}, {record['cores']} cores, Python {record['python']}, {record['date']}; "
        f"`{record['command']}`.",
    ]
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "many_cases.json").write_text(json.dumps(record, indent=2) + "\n")
    (given.out / "many_cases.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
