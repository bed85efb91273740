"""Made scans in the forms of the real data sets."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from neurograft.demos.subcortical_data import STRUCTURES


def _head(generator: np.random.Generator, names: dict[str, int]) -> np.ndarray:
    """A ball of white matter with blocks of the structures, left on the low side of the first axis."""
    shape = (40, 44, 40)
    places = np.indices(shape) - np.array([20, 22, 20])[:, None, None, None]
    head = np.zeros(shape, np.int16)
    head[((places / np.array([17, 19, 17])[:, None, None, None]) ** 2).sum(0) < 1] = names["white"]
    for number, name in enumerate(STRUCTURES.values()):
        start = 12 + 4 * (number // 2) + generator.integers(0, 2)
        side = slice(10, 15) if name.startswith("left") else slice(25, 30)
        head[side, start : start + 4, 17:23] = names[name]
    return head


@pytest.fixture(scope="session")
def subcortical_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both data sets with four and four people, in their own forms."""
    root = tmp_path_factory.mktemp("data")
    generator = np.random.default_rng(5)
    maps, scans = root / "brain-label-maps", root / "miccai2012-train"
    maps.mkdir()
    names = {"white": 2} | {name: 10 + place for place, name in enumerate(STRUCTURES.values())}
    rows = ["index\tsegmentation_index\tsegmentation_name\tintensity_class", "0\t0\tbackground\t0"]
    rows += [f"{value}\t{value}\t{'left cerebral white matter' if name == 'white' else name}\t{place}"
             for place, (name, value) in enumerate(names.items(), start=1)]  # fmt: skip
    (maps / "labels.tsv").write_text("\n".join(rows) + "\n")
    for number in range(4):
        nib.save(nib.Nifti1Image(_head(generator, names), np.eye(4)), maps / f"seg_{number}.nii.gz")
    manual = scans / "derivatives" / "manual"
    manual.mkdir(parents=True)
    for folder, kind in ((scans, "raw"), (manual, "derivative")):
        description = {"Name": "x", "BIDSVersion": "1.8.0", "DatasetType": kind, "GeneratedBy": [{"Name": "x"}]}
        (folder / "dataset_description.json").write_text(json.dumps(description))
    values = {name: 30 + place for place, name in enumerate(STRUCTURES)}
    lines = [f"{value}\t{name}" for name, value in values.items()]
    (manual / "dseg.tsv").write_text("\n".join(["index\tname", *lines]) + "\n")
    for number in range(4):
        head = _head(generator, names)
        image = np.zeros(head.shape, np.float32)
        for place, value in enumerate(names.values()):
            image[head == value] = 1000 - 25 * place
        # A coarse pattern of each one's own, or the guard would take all for one person.
        pattern = np.kron(generator.normal(0, 200, (10, 11, 10)), np.ones((4, 4, 4)))
        image[head > 0] += pattern[head > 0]
        label = np.zeros(head.shape, np.int16)
        for target, theirs in STRUCTURES.items():
            label[head == names[theirs]] = values[target]
        for folder, suffix, array in ((scans, "T1w", image), (manual, "dseg", label)):
            anat = folder / f"sub-{number}" / "anat"
            anat.mkdir(parents=True)
            nib.save(nib.Nifti1Image(array, np.eye(4)), anat / f"sub-{number}_{suffix}.nii.gz")
    return root
