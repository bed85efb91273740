"""The command ``neurograft predict`` with each built-in model: seconds from call to end, and most memory.

On a real brain without skull, on a whole head of 1 mm that is made of a label map, and on three brains in one call.
Each call is a process of its own with an empty cache. The fastest and the slowest of some repetitions are shown:
start-up, reading, the picture and the tables are in them.

    python benchmarks/built_in_models.py --data-root ../shared/data
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import nibabel as nib
from peer_process import run_watched
from provenance import provenance

MODELS = ("subcortical", "brain")
PEOPLE = ("sub-1000", "sub-1001", "sub-1002")
PLAIN = [
    "synthesis.look=t1",
    "synthesis.strip_probability=0",
    "synthesis.partial_view_probability=0",
    "synthesis.tight_view_probability=0",
    "synthesis.low_resolution_probability=0",
    "synthesis.zero_air_probability=0",
]
"""A whole head, as sharp as its label map, with noise in the air."""


def main() -> int:
    """Make the head, call the command, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-root", type=Path, required=True, help="holds miccai2012-train and brain-label-maps")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scans = find_scans(options.data_root, folder, options.threads)
        rows = [measure(model, what, folder, files, options) for model in MODELS for what, files in scans.items()]
    text = "\n".join(
        [
            "| model | scans in the call | voxels of the first | seconds, fastest | seconds, slowest | seconds a scan "
            "| peak memory, MiB |",
            "|---|---|---:|---:|---:|---:|---:|",
            *rows,
            "",
            f"{options.repeats} calls each, with an empty cache; the peak of all calls.",
            "",
            provenance(options.threads, ["neurograft", "torch", "numpy"]),
        ]
    )
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "built_in_models.md").write_text(text + "\n", "utf-8")
    print(text)
    return 0


def find_scans(data: Path, folder: Path, threads: int) -> dict[str, list[Path]]:
    """Files by what they show; the head is made here."""
    brains = [data / "miccai2012-train" / who / "anat" / f"{who}_desc-brain_T1w.nii.gz" for who in PEOPLE]
    made = folder / "made"
    subjects = folder / "subjects.txt"
    subjects.write_text("training_seg_01\n", "utf-8")
    command = ["phantom", "synthetic", "--cohort", str(data / "brain-label-maps"), "--subjects", str(subjects)]
    run_watched([*program(), *command, "--out", str(made), *PLAIN], folder / "cache", threads)
    heads = sorted((made / "images").iterdir())
    return {"1 brain without skull": brains[:1], "1 whole head": heads[:1], "3 brains without skull": brains}


def measure(model: str, what: str, folder: Path, files: list[Path], options: argparse.Namespace) -> str:
    """A row of the table."""
    given = folder / "input"
    given.mkdir(exist_ok=True)
    for path in given.iterdir():
        path.unlink()
    for path in files:
        (given / path.name).symlink_to(path.resolve())
    seconds, memory = [], 0.0
    for number in range(options.repeats):
        out = folder / f"{model}-{len(files)}-{files[0].name}-{number}"
        command = ["predict", "--model", f"builtin:{model}", "--input", str(given), "--out", str(out)]
        start = time.perf_counter()
        _, mib = run_watched([*program(), *command], folder / f"cache-{out.name}", options.threads)
        seconds.append(time.perf_counter() - start)
        memory = max(memory, mib)
    shape = " x ".join(map(str, nib.load(files[0]).shape))
    least, most = min(seconds), max(seconds)
    return (
        f"| `builtin:{model}` | {what} | {shape} | {least:.1f} | {most:.1f} | {least / len(files):.1f} | {memory:.0f} |"
    )


def program() -> list[str]:
    """The command, of this environment."""
    return [str(Path(sys.executable).with_name("neurograft"))]


if __name__ == "__main__":
    sys.exit(main())
