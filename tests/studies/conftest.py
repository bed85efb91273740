"""A cohort and a protocol that train in a second a cell."""

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import yaml

from neurograft.studies.protocol import Protocol, load_protocol

TINY = {
    "budget": "3steps",
    "network.channels": [4, 8],
    "sampling.patch_size": [16, 16, 16],
    "validation.hold_out": 0,
    "validation.every": 3,
    "inference.overlap": 0.0,
}


@pytest.fixture(scope="session")
def balls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of eight people with two boxes each, brighter than the noise around them."""
    folder = tmp_path_factory.mktemp("boxes")
    rows = ["subject\timage\tlabel\tsite"]
    for person in range(8):
        generator = np.random.default_rng(person)
        label = np.zeros((16, 16, 16), np.uint8)
        x, y = generator.integers(2, 5, 2)
        label[x : x + 5, y : y + 5, 4:9], label[9:14, y : y + 5, 4:9] = 1, 2
        image = generator.normal(100, 10, label.shape) + 60.0 * (label == 1) + 120.0 * (label == 2)
        for kind, data in (("image", image.astype(np.float32)), ("label", label)):
            nibabel.save(nibabel.Nifti1Image(data, np.eye(4)), folder / f"p{person}_{kind}.nii.gz")
        rows.append(f"p{person}\tp{person}_image.nii.gz\tp{person}_label.nii.gz\t{'ab'[person % 2]}")
    (folder / "cohort.tsv").write_text("\n".join(rows) + "\n")
    (folder / "labels.tsv").write_text("index\tname\n1\tone\n2\ttwo\n")
    return folder


@pytest.fixture
def tree() -> dict[str, Any]:
    """A small protocol as plain data."""
    return {
        "title": "From one box to the other",
        "cohorts": {"people": {"path": "cohort.tsv"}},
        "overrides": dict(TINY),
        "sources": {"one": {"cohort": "people", "people": "apart", "seed": 0, "overrides": {"labels": ["one"]}}},
        "experiments": [
            {
                "name": "one-to-two",
                "cohort": "people",
                "overrides": {"labels": ["two"]},
                "sources": ["one"],
                "label_from": {"two": "one"},
                "test": {"kind": "fixed", "count": 2},
                "pool": 4,
                "sizes": [2, 4],
                "strategies": ["none", "scratch", "full"],
            }
        ],
        "comparison": {"draws": 200},
        "compute": {"device": "cpu", "precision": "fp32", "channels_last": False, "threads": 1},
    }


@pytest.fixture
def protocol(tree: dict[str, Any], tmp_path: Path) -> Protocol:
    """The small protocol, read from a file."""
    file = tmp_path / "protocol.yaml"
    file.write_text(yaml.safe_dump(tree))
    return load_protocol(file)
