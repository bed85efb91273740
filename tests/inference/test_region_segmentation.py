"""Segmenting a region: what it gives inside, what it leaves outside, and what its files say."""

import json
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neurograft.cohorts import Cohort, fingerprint_cohort, open_cohort, open_scans
from neurograft.errors import InputError
from neurograft.imaging.cropping import Box
from neurograft.imaging.files import read_image, write_image, write_label_map
from neurograft.imaging.grid import Grid
from neurograft.imaging.labels import LabelTable
from neurograft.imaging.preparation import prepare_classes, prepare_image, restore_classes
from neurograft.imaging.volume import Volume
from neurograft.inference import run
from neurograft.inference.oracle import centred_labels
from neurograft.inference.region_files import oracle_masks, read_region, region_facts, write_region
from neurograft.inference.regions import Region, Truth
from neurograft.inference.run import PredictionRequest, predict_cohort
from neurograft.inference.segmenting import Segmenter
from neurograft.models import Bundle
from neurograft.networks import build_network
from neurograft.recipes.loading import override_recipe
from neurograft.recipes.schema import PreparationConfig, Recipe

BundleMaker = Callable[..., Bundle]
SHAPE = (32, 24, 24)
PREDICTED = ["inference.region=predicted", "inference.region_size=[8, 8, 8]", "inference.region_margin=1"]
ORACLE = ["inference.region=oracle", "inference.region_size=[8, 8, 8]"]


def blocks(*starts: tuple[int, int, int], size: int = 3, value: float = 1.0) -> Volume:
    data = np.zeros(SHAPE, np.float32)
    for a, b, c in starts:
        data[a : a + size, b : b + size, c : c + size] = value
    return Volume(data, Grid.from_affine(SHAPE, np.eye(4)))


def count_windows(segmenter: Segmenter, image: Volume) -> tuple[Any, list[int]]:
    """The segmentation, and the windows of each pass of each model."""
    passes: list[int] = []

    def progress(done: int, total: int) -> None:
        if done == total:
            passes.append(total)

    return segmenter.segment([image], progress=progress), passes


def randomised(bundle: Bundle, seed: int = 1) -> Bundle:
    """The same model with weights that look at neighbours."""
    network = build_network(bundle.info.recipe.network, len(bundle.side.channels), len(bundle.side.outputs), seed)
    state = {name: 3 * torch.randn_like(tensor) for name, tensor in network.state_dict().items()}
    return Bundle(bundle.path, bundle.info, lambda: state)


def test_inside_the_region_stands_what_the_whole_image_gives(threshold_bundle: BundleMaker, tmp_path: Path) -> None:
    torch.manual_seed(0)
    side_by_side = ["inference.overlap=0.0", "inference.merge=uniform"]
    whole = randomised(threshold_bundle(tmp_path / "whole", overrides=side_by_side))
    cut = randomised(threshold_bundle(tmp_path / "cut", overrides=[*side_by_side, *ORACLE]))
    cut = Bundle(cut.path, cut.info, whole.read_state)
    image = Volume(np.random.default_rng(0).random(SHAPE).astype(np.float32), Grid.from_affine(SHAPE, np.eye(4)))
    mask = np.zeros(SHAPE, np.int32)
    mask[11:13, 11:13, 11:13] = 1
    expected = Segmenter([whole]).segment([image], keep_probabilities=True)
    found = Segmenter([cut]).segment(
        [image], keep_probabilities=True, truth=Truth(Volume(mask, image.grid), LabelTable.from_names({1: "bright"}))
    )
    assert found.region == Region("oracle", Box((8, 8, 8), (16, 16, 16)))
    assert expected.probabilities is not None
    assert found.probabilities is not None
    inside = np.zeros(SHAPE, bool)
    inside[8:16, 8:16, 8:16] = True
    assert expected.probabilities[0][inside].std() > 0.01
    np.testing.assert_allclose(found.probabilities[0][inside], expected.probabilities[0][inside], atol=1e-5)
    np.testing.assert_array_equal(found.classes[inside], expected.classes[inside])
    assert not found.classes[~inside].any()
    assert not found.probabilities[0][~inside].any()


@pytest.mark.parametrize("start", [(14, 10, 10), (0, 21, 0), (29, 0, 21)])
def test_a_predicted_region_gives_the_whole_images_mask_for_less(
    start: tuple[int, int, int], threshold_bundle: BundleMaker, tmp_path: Path
) -> None:
    image = blocks(start)
    expected, whole_passes = count_windows(Segmenter([threshold_bundle(tmp_path / "whole")]), image)
    found, passes = count_windows(Segmenter([threshold_bundle(tmp_path / "m", overrides=PREDICTED)]), image)
    assert expected.classes.sum() == 27
    np.testing.assert_array_equal(found.classes, expected.classes)
    assert found.region.words == "predicted"
    # Coarse: 4 x 3 x 3 windows side by side. Fine: one. Whole: 7 x 5 x 5 at half overlap.
    assert (whole_passes, passes) == ([175], [36, 1])


def test_two_sides_are_both_found(threshold_bundle: BundleMaker, tmp_path: Path) -> None:
    image = blocks((6, 10, 10), (16, 10, 10))
    found, passes = count_windows(Segmenter([threshold_bundle(tmp_path / "m", overrides=PREDICTED)]), image)
    assert np.array_equal(found.classes, image.data > 0.5)
    assert found.region.box == Box((5, 8, 8), (20, 16, 16))
    assert passes == [36, 3]
    far = blocks((0, 10, 10), (29, 10, 10))
    found = Segmenter([threshold_bundle(tmp_path / "f", overrides=PREDICTED)]).segment([far])
    assert np.array_equal(found.classes, far.data > 0.5)
    assert found.region.words == "whole (locator unsure)"


def test_an_absent_structure_makes_the_whole_image_be_searched(threshold_bundle: BundleMaker, tmp_path: Path) -> None:
    found, passes = count_windows(Segmenter([threshold_bundle(tmp_path / "m", overrides=PREDICTED)]), blocks())
    assert not found.classes.any()
    assert found.region.words == "whole (locator unsure)"
    assert found.region.reason == "the coarse pass found no bright"
    assert passes == [36, 175]


def test_an_image_no_larger_than_the_region_is_segmented_at_once(threshold_bundle: BundleMaker, tmp_path: Path) -> None:
    options = [*PREDICTED, "inference.region_size=[32, 32, 32]"]
    found, passes = count_windows(Segmenter([threshold_bundle(tmp_path / "m", overrides=options)]), blocks((3, 3, 3)))
    assert (found.region.words, passes) == ("whole", [175])


def test_a_coarse_pass_may_be_more_easily_persuaded_than_the_fine_one(
    threshold_bundle: BundleMaker, tmp_path: Path
) -> None:
    image = blocks((14, 10, 10), value=0.4)
    options = [*PREDICTED, "inference.region_threshold=0.2"]
    found = Segmenter([threshold_bundle(tmp_path / "m", slope=4, overrides=options)]).segment([image])
    assert found.region.words == "predicted"
    assert not found.classes.any()


def test_a_locator_finds_the_region(threshold_bundle: BundleMaker, tmp_path: Path) -> None:
    # The model itself takes a second block for its structure; the locator knows better.
    image = blocks((14, 10, 10))
    image.data[1:4, 1:4, 1:4] = 0.7
    model = threshold_bundle(tmp_path / "m", overrides=PREDICTED)
    coarse = ["preparation.spacing_mm=[2, 2, 2]", "preparation.orientation=LPI", "preparation.interpolation=nearest"]
    locator = threshold_bundle(tmp_path / "l", [0.8], ["region"], [3], channels=["t1"], overrides=coarse)
    found, passes = count_windows(Segmenter([model], locator=Segmenter([locator])), image)
    assert found.region.words == "predicted"
    assert np.array_equal(found.classes, image.data > 0.8)
    # On 16 x 12 x 12 voxels the locator needs 2 x 2 x 2 windows.
    assert passes == [8, 1]
    assert Segmenter([model]).segment([image]).classes.sum() == 54


def test_a_locator_takes_its_own_channels(threshold_bundle: BundleMaker, tmp_path: Path) -> None:
    empty, image = blocks(), blocks((14, 10, 10))
    channels = {"channels": ["t1", "t2"], "reads": 1}
    model = threshold_bundle(tmp_path / "m", overrides=PREDICTED, **channels)
    locator = threshold_bundle(tmp_path / "l", channels=["t2"])
    found = Segmenter([model], locator=Segmenter([locator])).segment([empty, image])
    assert (found.region.words, int(found.classes.sum())) == ("predicted", 27)
    other = threshold_bundle(tmp_path / "o", channels=["flair"])
    with pytest.raises(InputError, match="the locator reads the channels flair; the model reads t1, t2"):
        Segmenter([model], locator=Segmenter([other]))


def test_a_locator_that_reads_a_prior_is_refused(threshold_bundle: BundleMaker, tmp_path: Path) -> None:
    model = threshold_bundle(tmp_path / "m", overrides=PREDICTED)
    locator = Segmenter([threshold_bundle(tmp_path / "l")])
    prior = {"prior": "channels", "prior_labels": ("background", "a")}
    recipe = locator.recipes[0]
    locator.recipes[0] = recipe.model_copy(update={"preparation": recipe.preparation.model_copy(update=prior)})
    with pytest.raises(InputError, match=r"the locator reads a prior.*preparation\.prior=none"):
        Segmenter([model], locator=locator)


def test_a_locator_nobody_asks_is_refused(threshold_bundle: BundleMaker, tmp_path: Path) -> None:
    locator = Segmenter([threshold_bundle(tmp_path / "l")])
    with pytest.raises(InputError, match=r"a locator serves inference\.region: predicted, and it is whole"):
        Segmenter([threshold_bundle(tmp_path / "m")], locator=locator)


@pytest.mark.parametrize("second", [[], ["preparation.orientation=LPI"], ["preparation.spacing_mm=[2, 1, 1]"]])
def test_several_models_share_one_region(second: list[str], threshold_bundle: BundleMaker, tmp_path: Path) -> None:
    image = blocks((14, 10, 10), size=4)
    nearest = ["preparation.interpolation=nearest"]
    bundles = [
        threshold_bundle(tmp_path / f"m{number}", overrides=[*PREDICTED, *nearest, *options])
        for number, options in enumerate(([], second))
    ]
    found, passes = count_windows(Segmenter(bundles), image)
    assert np.array_equal(found.classes, image.data > 0.5)
    assert found.region.words == "predicted"
    # Models that prepare images differently cannot average a coarse pass: the first one looks alone.
    assert passes == ([36, 36, 1, 1] if not second else [36, 1, 1])


def test_probabilities_outside_a_region_are_background(threshold_bundle: BundleMaker, tmp_path: Path) -> None:
    image = blocks((14, 10, 10))
    bundle = threshold_bundle(tmp_path / "m", slope=9, overrides=PREDICTED)
    found = Segmenter([bundle]).segment([image], keep_probabilities=True)
    assert found.probabilities is not None
    box = found.region.box
    assert box is not None
    inside = np.zeros(SHAPE, bool)
    inside[tuple(slice(a, b) for a, b in zip(box.start, box.stop, strict=True))] = True
    assert (found.probabilities[0][inside] > 0.01).all()
    assert not found.probabilities[0][~inside].any()


def labelled_cohort(folder: Path, starts: list[tuple[int, int, int]], names: dict[int, str] | None = None) -> Cohort:
    """Blocks with their true labels beside them; the last case has a second, brighter block far away."""
    folder.mkdir()
    rows = ["subject\timage\tlabel"]
    for number, start in enumerate(starts):
        image = blocks(start)
        write_label_map(folder / f"{number}_label.nii.gz", (image.data * 4).astype(np.int32), image.grid)
        write_image(folder / f"{number}.nii.gz", np.maximum(image.data, blocks((28, 20, 20)).data), image.grid)
        rows.append(f"p{number}\t{number}.nii.gz\t{number}_label.nii.gz")
    (folder / "cohort.tsv").write_text("\n".join(rows) + "\n")
    lines = [f"{value}\t{name}" for value, name in (names or {4: "bright"}).items()]
    (folder / "labels.tsv").write_text("\n".join(["index\tname", *lines]) + "\n")
    return open_cohort(folder / "cohort.tsv")


def test_every_row_and_file_of_an_oracle_says_so(
    threshold_bundle: BundleMaker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cohort = labelled_cohort(tmp_path / "c", [(3, 3, 3), (12, 12, 12)])
    bundle = threshold_bundle(tmp_path / "m", values=[4], overrides=ORACLE)
    with caplog.at_level(logging.WARNING):
        frame = predict_cohort(PredictionRequest([bundle], cohort, tmp_path / "out"))
    assert "oracle crop: images are cut around their true structures" in caplog.text
    # The bright block that is not the structure lies outside the crops.
    assert frame["voxels"].tolist() == [27, 27]
    for table in ("volumes.tsv", "biomarkers.tsv"):
        written = pd.read_csv(tmp_path / "out" / table, sep="\t")
        assert written["oracle"].tolist() == ["yes", "yes"]
        assert written["region"].tolist() == ["oracle", "oracle"]
    summary = json.loads((tmp_path / "out" / "prediction.json").read_text())["region"]
    assert summary == {
        "asked": "oracle",
        "oracle": True,
        "size": [8, 8, 8],
        "locator": None,
        "cases": {"oracle": 2},
    }
    facts = region_facts(tmp_path / "out")
    assert list(facts) == ["Region"]
    assert facts["Region"].startswith("oracle crop: ")
    assert oracle_masks(tmp_path / "out") == {"p0_dseg.nii.gz", "p1_dseg.nii.gz"}
    assert json.loads((tmp_path / "out" / "p0_dseg.json").read_text())["oracle"] is True


def test_an_oracle_needs_references(threshold_bundle: BundleMaker, tmp_path: Path) -> None:
    labelled_cohort(tmp_path / "c", [(3, 3, 3)])
    bundle = threshold_bundle(tmp_path / "m", overrides=ORACLE)
    scans = open_scans(tmp_path / "c" / "0.nii.gz", ["image"])
    with pytest.raises(InputError, match="case 0 has no reference label to be centred on"):
        predict_cohort(PredictionRequest([bundle], scans, tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_model_of_another_structure_is_centred_on_that_one() -> None:
    table = LabelTable.from_names({1: "LC", 2: "SNpc", 3: "Left-LC", 4: "Right-LC"})
    assert centred_labels(table, Recipe(), ["SNpc"]).names == ["SNpc"]
    merged = Recipe(labels={"both": ("Left-LC", "Right-LC")})
    assert centred_labels(table, merged, ["both"]).names == ["Left-LC", "Right-LC"]
    assert centred_labels(table.select(["SNpc"]), Recipe(), ["LC"]).names == ["SNpc"]


def test_whole_images_say_so_and_need_no_further_file(threshold_bundle: BundleMaker, tmp_path: Path) -> None:
    cohort = labelled_cohort(tmp_path / "c", [(3, 3, 3)])
    frame = predict_cohort(PredictionRequest([threshold_bundle(tmp_path / "m")], cohort, tmp_path / "out"))
    assert (frame["region"].tolist(), frame["oracle"].tolist()) == (["whole"], ["no"])
    assert not list((tmp_path / "out").glob("*_dseg.json"))
    assert region_facts(tmp_path / "out") == {}
    assert oracle_masks(tmp_path / "out") == frozenset()
    assert region_facts(tmp_path / "c") == {}


def test_an_unsure_locator_is_told_in_the_tables(
    threshold_bundle: BundleMaker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "scans").mkdir()
    for name, image in (("empty", blocks()), ("full", blocks((9, 9, 9)))):
        write_image(tmp_path / "scans" / f"{name}.nii.gz", image.data, image.grid)
    model, locator = threshold_bundle(tmp_path / "m", overrides=PREDICTED), threshold_bundle(tmp_path / "l")
    scans = open_scans(tmp_path / "scans", ["image"])
    with caplog.at_level(logging.WARNING):
        frame = predict_cohort(PredictionRequest([model], scans, tmp_path / "out", locator=locator))
    assert frame["region"].tolist() == ["whole (locator unsure)", "predicted"]
    assert frame["oracle"].tolist() == ["no", "no"]
    assert "empty, region whole (locator unsure): the coarse pass found no bright" in caplog.text
    assert region_facts(tmp_path / "out") == {
        "Region": "predicted by a coarse pass (1 x whole (locator unsure), 1 x predicted)"
    }
    summary = json.loads((tmp_path / "out" / "prediction.json").read_text())["region"]
    assert summary["locator"] == {"name": "l", "weights_sha256": locator.info.weights_sha256}
    assert oracle_masks(tmp_path / "out") == frozenset()


def test_people_whom_the_locator_knows_are_marked_too(threshold_bundle: BundleMaker, tmp_path: Path) -> None:
    cohort = labelled_cohort(tmp_path / "c", [(3, 3, 3), (12, 12, 12)])
    seen = fingerprint_cohort(cohort.of_subjects(["p1"]))
    model = threshold_bundle(tmp_path / "m", overrides=PREDICTED)
    locator = threshold_bundle(tmp_path / "l", seen=seen)
    frame = predict_cohort(PredictionRequest([model], cohort, tmp_path / "out", locator=locator))
    assert frame["seen_in_training"].tolist() == ["no", "yes"]


def test_regions_survive_an_interruption(
    threshold_bundle: BundleMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cohort = labelled_cohort(tmp_path / "c", [(3, 3, 3), (12, 12, 12)])
    bundle = threshold_bundle(tmp_path / "m", values=[4], overrides=ORACLE)

    def request(out: str) -> PredictionRequest:
        return PredictionRequest([bundle], cohort, tmp_path / out)

    undisturbed = predict_cohort(request("undisturbed"))
    segmented = []
    original = run.Segmenter.segment

    def segment(self: run.Segmenter, volumes: list, *args: Any) -> object:
        segmented.append(volumes[0].path.name)
        if len(segmented) in (2, 4):
            raise KeyboardInterrupt
        return original(self, volumes, *args)

    monkeypatch.setattr(run.Segmenter, "segment", segment)
    with pytest.raises(KeyboardInterrupt):
        predict_cohort(request("cut"))
    # A reference that was corrected moves the region, so the case is done again.
    later = time.time_ns() + 10**9
    os.utime(tmp_path / "c" / "0_label.nii.gz", ns=(later, later))
    with pytest.raises(KeyboardInterrupt):
        predict_cohort(request("cut"))
    assert segmented == ["0.nii.gz", "1.nii.gz", "0.nii.gz", "1.nii.gz"]
    monkeypatch.setattr(run.Segmenter, "segment", original)
    pd.testing.assert_frame_equal(predict_cohort(request("cut")), undisturbed)


def test_a_region_reads_back_as_it_was_written(tmp_path: Path) -> None:
    for region in (
        Region("oracle", Box((1, 2, 3), (4, 5, 6)), "", "cuts"),
        Region("predicted", None, "locator unsure", "found nothing"),
    ):
        write_region(tmp_path / "p_dseg.nii.gz", region)
        assert read_region(tmp_path / "p_dseg.nii.gz") == region
    (tmp_path / "p_dseg.json").write_text("{}")
    with pytest.raises(InputError, match="cannot be read as a region"):
        read_region(tmp_path / "p_dseg.nii.gz")


@pytest.mark.parametrize("seed", range(3))
def test_masks_of_upsampled_images_come_back_on_the_files_grid(
    seed: int, threshold_bundle: BundleMaker, tmp_path: Path
) -> None:
    """P1's windowed-sinc upsampling to half the voxel size: a smooth structure keeps its place and volume."""
    generator = np.random.default_rng(seed)
    centre, radius = generator.uniform(10, 14, 3), generator.uniform(3, 5)
    affine = np.diag([-0.75, 0.75, 0.75, 1.0])
    grid = Grid.from_affine((25, 24, 23), affine)
    distance = np.linalg.norm(np.indices(grid.shape).T - centre, axis=-1).T
    # A soft edge, so that the image is band limited, and the level set of 0.5 is the sphere.
    image = Volume((1 / (1 + np.exp(1.5 * (distance - radius)))).astype(np.float32), grid)
    sinc = ["preparation.spacing_mm=[0.375, 0.375, 0.375]", "preparation.interpolation=sinc"]
    region = ["inference.region_size=[24, 24, 24]", "inference.region_margin=2", "inference.region=predicted"]
    bundle = threshold_bundle(tmp_path / "m", [0.5], overrides=[*sinc, *region, "sampling.patch_size=[16, 16, 16]"])
    found = Segmenter([bundle]).segment([image])
    assert found.region.words == "predicted"
    assert found.classes.shape == grid.shape
    expected = distance < radius
    # Nearest neighbour takes the label of one of the eight half-size voxels that a voxel covers,
    # whose centre lies a quarter of a voxel away along each axis.
    sure = np.abs(distance - radius) > 0.25 * np.sqrt(3) + 0.05
    np.testing.assert_array_equal((found.classes > 0)[sure], expected[sure])
    assert found.classes.sum() == pytest.approx(expected.sum(), rel=0.15)
    saved = tmp_path / "scan.nii.gz"
    write_image(saved, image.data, grid)
    predict_cohort(PredictionRequest([bundle], open_scans(saved, ["image"]), tmp_path / "out"))
    np.testing.assert_array_equal(read_image(tmp_path / "out" / "scan_dseg.nii.gz").data, found.classes)


@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(*[st.integers(2, 9)] * 3),
    directions=st.permutations((0, 1, 2)),
    signs=st.tuples(*[st.sampled_from((-1, 1))] * 3),
    shift=st.floats(-200, 200),
    seed=st.integers(0, 1000),
)
def test_label_maps_survive_the_way_to_half_the_voxel_size_and_back(
    shape: tuple[int, int, int], directions: tuple[int, ...], signs: tuple[int, ...], shift: float, seed: int
) -> None:
    affine = np.eye(4)
    affine[:3, :3] = 0.75 * np.eye(3)[list(directions)] * signs
    affine[:3, 3] = shift
    grid = Grid.from_affine(shape, affine)
    generator = np.random.default_rng(seed)
    labels = Volume(generator.integers(0, 4, shape).astype(np.int32), grid)
    table = LabelTable.from_names({1: "LC", 2: "SNpc", 3: "region"})
    config = PreparationConfig(spacing_mm=(0.375, 0.375, 0.375), interpolation="sinc", normalisation="none")
    prepared = prepare_image([Volume(generator.random(shape, np.float32), grid)], config)
    classes = prepare_classes(labels, table, prepared)
    assert classes.shape == tuple(2 * shape[axis] for axis in np.abs(affine[:3, :3]).argmax(1))
    np.testing.assert_array_equal(restore_classes(classes, prepared), labels.data)


def test_a_recipe_states_its_region() -> None:
    recipe = override_recipe({}, [*ORACLE, "inference.region_threshold=0.3"])
    assert (recipe.inference.region, recipe.inference.region_size) == ("oracle", (8, 8, 8))
    with pytest.raises(InputError, match="region"):
        override_recipe({}, ["inference.region=brainstem"])
