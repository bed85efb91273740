import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from neurograft.cohorts import fingerprint_cohort, open_cohort
from neurograft.errors import InputError
from neurograft.imaging.files import write_label_map
from neurograft.imaging.grid import Grid
from neurograft.models import AgeInfo, Bundle, VolumeRange, open_bundle, save_bundle, volume_ranges
from neurograft.models.averaging import average_models
from neurograft.models.half_precision import halved, in_single_precision, largest_rounding
from neurograft.models.packing import file_hashes, pack_model
from neurograft.networks import build_network, unit_of
from neurograft.recipes import load_recipe

AGE = ["network.age_head=paper", "task.age_weight=1"]


@pytest.fixture
def maps(tmp_path: Path) -> Path:
    folder = tmp_path / "maps"
    folder.mkdir()
    for number, side in enumerate((2, 3)):
        label = np.zeros((6, 6, 6), np.uint8)
        label[:side, :side, :side] = 1
        write_label_map(folder / f"h{number}.nii.gz", label, Grid.from_affine(label.shape, np.diag([2.0, 1, 1, 1])))
    (folder / "labels.tsv").write_text("index\tname\tintensity_class\n1\tSNpc\t1\n7\tLC\t2\n")
    return folder


def test_halves_are_singles_again_in_memory() -> None:
    state = {"weight": torch.tensor([[1.0, 1 / 3]]), "bias": torch.tensor([1 / 3]), "steps": torch.tensor(7)}
    small = halved(state)
    assert (small["weight"].dtype, small["bias"].dtype, small["steps"].dtype) == (
        torch.float16,
        torch.float32,
        torch.int64,
    )
    back = in_single_precision(small)
    assert back["weight"].dtype == torch.float32
    assert back["weight"].tolist() == [[1.0, pytest.approx(1 / 3, rel=2**-11)]]
    # 1/3 rounds to 0.333251953125, and the largest weight of the tensor is 1.
    assert largest_rounding(state, small) == pytest.approx(1 / 3 - 0.333251953125, abs=1e-7)


@pytest.mark.parametrize("weight", [7e4, float("nan")])
def test_what_a_half_cannot_hold_is_refused(weight: float) -> None:
    with pytest.raises(InputError, match="half precision cannot"):
        halved({"weight": torch.tensor([[weight]])})


def test_packed_model_is_smaller_says_nearly_the_same_and_keeps_its_hash(tmp_path: Path, network, make_info) -> None:
    save_bundle(tmp_path / "model", make_info(), network)
    before = open_bundle(tmp_path / "model")
    figures, limits = tmp_path / "figures.tsv", tmp_path / "limits.txt"
    figures.write_text("what\tDice\nas it is\t0.801\nadapted to 3\t0.862\n")
    limits.write_text("# for the card\n- It knows no tumours.\n\n")
    packed = pack_model(before, tmp_path / "packed", "builtin:brain", figures=figures, limits=limits)
    after = open_bundle(tmp_path / "packed")
    assert after.info == packed.info
    size = [(tmp_path / folder / "model.safetensors").stat().st_size for folder in ("model", "packed")]
    assert size[1] < size[0]
    image = torch.randn((1, 1, 8, 8, 8), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        answers = [bundle.network()(image) for bundle in (before, after)]
    assert not torch.equal(*answers)
    torch.testing.assert_close(*answers, rtol=0, atol=0.02)
    card = (tmp_path / "packed" / "README.md").read_text("utf-8")
    for line in ("# builtin:brain", "| adapted to 3 | 0.862 |", "- It knows no tumours.", "half precision"):
        assert line in card, line
    weights = tmp_path / "packed" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(InputError, match="does not match the hash"):
        open_bundle(tmp_path / "packed")


def test_card_tells_hashes_and_volumes_of_what_it_was_trained_on(
    tmp_path: Path, network, make_info, maps: Path
) -> None:
    cohort = open_cohort(maps)
    info = make_info(training_subjects=[fingerprint_cohort(cohort).to_dict()])
    save_bundle(tmp_path / "model", info, network)
    info = pack_model(open_bundle(tmp_path / "model"), tmp_path / "packed", cohort=cohort).info
    assert sorted(info.sources) == ["h0.nii.gz", "h1.nii.gz"]
    # 8 and 27 voxels of 2 mm3; LC is in neither.
    volumes = {known.label: (known.smallest_mm3, known.largest_mm3, known.absent) for known in info.volumes}
    assert volumes == {"SNpc": (16, 54, 0), "LC": (0, 0, 2)}
    card = (tmp_path / "packed" / "README.md").read_text("utf-8")
    assert f"`h0.nii.gz`: sha256 {info.sources['h0.nii.gz']}" in card
    assert "| SNpc | 2 | 35.0 | 16.0 | 54.0 |" in card


def test_files_of_one_name_in_two_folders_have_their_own_hashes(tmp_path: Path, maps: Path) -> None:
    cohort = open_cohort(maps)
    for folder, content in (("imagesTr", b"image"), ("labelsTr", b"label")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.nii.gz").write_bytes(content)
    (tmp_path / "beach.jpg").write_bytes(b"picture")
    images = {"scan": tmp_path / "imagesTr" / "x.nii.gz", "red": tmp_path / "beach.jpg" / "red"}
    case = replace(cohort.cases[0], images=images, label=tmp_path / "labelsTr" / "x.nii.gz")
    assert file_hashes(replace(cohort, cases=(case,))) == {
        "beach.jpg": hashlib.sha256(b"picture").hexdigest(),
        "imagesTr/x.nii.gz": hashlib.sha256(b"image").hexdigest(),
        "labelsTr/x.nii.gz": hashlib.sha256(b"label").hexdigest(),
    }


def test_another_cohort_is_refused(tmp_path: Path, network, make_info, maps: Path) -> None:
    save_bundle(tmp_path / "model", make_info(), network)
    with pytest.raises(InputError, match="was not trained on h0, h1"):
        pack_model(open_bundle(tmp_path / "model"), tmp_path / "packed", cohort=open_cohort(maps))
    assert not (tmp_path / "packed").exists()


@pytest.mark.parametrize("text", ["", "what\tDice\n", "what\tDice\nonly one\n"])
def test_a_table_of_figures_without_figures_is_refused(tmp_path: Path, network, make_info, text: str) -> None:
    save_bundle(tmp_path / "model", make_info(), network)
    (tmp_path / "figures.tsv").write_text(text)
    with pytest.raises(InputError, match=r"figures\.tsv"):
        pack_model(open_bundle(tmp_path / "model"), tmp_path / "packed", figures=tmp_path / "figures.tsv")


def test_range_of_volumes_counts_absent_labels_as_nothing() -> None:
    assert volume_ranges(["a", "b"], [{"a": 4.0}, {"a": 6.0, "b": 1.0}]) == [
        VolumeRange(label="a", cases=2, absent=0, mean_mm3=5, smallest_mm3=4, largest_mm3=6),
        VolumeRange(label="b", cases=2, absent=1, mean_mm3=0.5, smallest_mm3=0, largest_mm3=1),
    ]


def source_and_moved_network(tmp_path: Path, network, make_info) -> Bundle:
    """The source as it is kept; the network's numbers are then a quarter higher, as if adapted."""
    save_bundle(tmp_path / "source", make_info(name="source"), network)
    with torch.no_grad():
        for tensor in network.state_dict().values():
            if tensor.is_floating_point():
                tensor.add_(0.25)
    return open_bundle(tmp_path / "source")


def test_mean_of_two_models_lies_between_them_but_for_labels_of_one_alone(tmp_path: Path, network, make_info) -> None:
    source = source_and_moved_network(tmp_path, network, make_info)
    labels = {"labels": [{"name": "SNpc", "values": [1]}, {"name": "VTA", "values": [2]}]}
    parent = {"name": "source", "weights_sha256": source.info.weights_sha256}
    own = [{"name": "own", "subjects": {}}]
    changes = {"labels": labels, "parent": parent, "label_from": {}, "training_subjects": own}
    save_bundle(tmp_path / "adapted", make_info(**changes), network)
    adapted = open_bundle(tmp_path / "adapted")
    info = average_models(source, adapted, 0.25, tmp_path / "mean")
    mean = open_bundle(tmp_path / "mean")
    assert mean.labels.names == ["SNpc", "VTA"]
    assert info.training_subjects == own
    for name, tensor in mean.state.items():
        if not tensor.is_floating_point():
            continue
        expected = source.state[name] + 0.25 * (adapted.state[name] - source.state[name])
        if name.startswith("head."):
            # Background, SNpc, and VTA, which the source does not have.
            expected[2] = adapted.state[name][2]
        torch.testing.assert_close(tensor, expected, msg=name)
    assert json.loads((tmp_path / "mean" / "bundle.json").read_text())["training"]["averaged"].startswith("0.25 of")


def test_units_that_were_begun_anew_stay_the_adapted_models(tmp_path: Path, network, make_info) -> None:
    source = source_and_moved_network(tmp_path, network, make_info)
    plan = [{**row, "reset": row["unit"] in ("up1", "head")} for row in make_info().plan]
    parent = {"name": "source", "weights_sha256": source.info.weights_sha256}
    save_bundle(tmp_path / "adapted", make_info(parent=parent, label_from={}, plan=plan), network)
    adapted = open_bundle(tmp_path / "adapted")
    average_models(source, adapted, 0.5, tmp_path / "mean")
    # Of another source it is not known what was begun anew.
    stranger = make_info(parent={"name": "x", "weights_sha256": "0"}, label_from={}, plan=plan)
    save_bundle(tmp_path / "stranger", stranger, network)
    average_models(source, open_bundle(tmp_path / "stranger"), 0.5, tmp_path / "other")
    mean, other = open_bundle(tmp_path / "mean").state, open_bundle(tmp_path / "other").state
    for name, tensor in adapted.state.items():
        if not tensor.is_floating_point():
            continue
        half = (tensor + source.state[name]) / 2
        torch.testing.assert_close(mean[name], tensor if unit_of(name) in ("up1", "head") else half, msg=name)
        torch.testing.assert_close(other[name], half, msg=name)


@pytest.mark.parametrize(("sd", "is_averaged"), [(10.0, True), (12.0, False)])
def test_age_heads_are_averaged_in_one_scale_only(sd: float, is_averaged: bool, tmp_path: Path, make_info) -> None:
    recipe = load_recipe("default", ["network.name=residual_unet3d", "network.channels=[2, 3]", *AGE])
    one, two = (build_network(recipe.network, 1, 3, seed=seed) for seed in (1, 2))
    ages = [AgeInfo(covariate="age", mean=50, sd=its, training_mean=50) for its in (10.0, sd)]
    for name, network, age in zip(("one", "two"), (one, two), ages, strict=True):
        units = [(unit.name, unit.role, unit.depth) for unit in network.units]
        save_bundle(tmp_path / name, make_info(name=name, recipe=recipe, units=units, plan=[], age=age), network)
    source, adapted = open_bundle(tmp_path / "one"), open_bundle(tmp_path / "two")
    average_models(source, adapted, 0.5, tmp_path / "mean")
    mean = open_bundle(tmp_path / "mean").state
    heads = [name for name in mean if unit_of(name) == "age"]
    assert heads
    for name in heads:
        half = (source.state[name] + adapted.state[name]) / 2
        torch.testing.assert_close(mean[name], half if is_averaged else adapted.state[name], msg=name)


def test_a_weight_that_is_no_share_is_refused(tmp_path: Path, network, make_info) -> None:
    save_bundle(tmp_path / "a", make_info(), network)
    with pytest.raises(InputError, match="no share"):
        average_models(open_bundle(tmp_path / "a"), open_bundle(tmp_path / "a"), 1.5, tmp_path / "mean")
