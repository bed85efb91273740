from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from neurograft.errors import InputError
from neurograft.imaging.grid import Grid
from neurograft.imaging.preparation import prepare_image, restore_probabilities
from neurograft.imaging.volume import Volume
from neurograft.inference.segmenting import Segmenter, window_probabilities
from neurograft.models import Bundle

BundleMaker = Callable[..., Bundle]


def volume(seed: int = 0, shape: tuple[int, int, int] = (13, 9, 11), affine: np.ndarray | None = None) -> Volume:
    """Even numbers of hundredths, so that no voxel lies on an odd threshold."""
    data = np.random.default_rng(seed).integers(0, 50, shape).astype(np.float32) / 50
    return Volume(data, Grid.from_affine(shape, np.eye(4) if affine is None else affine))


def logistic(image: np.ndarray, slope: float, threshold: float) -> np.ndarray:
    return 1 / (1 + np.exp(-slope * (image.astype(np.float64) - threshold)))


@pytest.mark.parametrize("merge", ["gaussian", "uniform"])
@pytest.mark.parametrize("shape", [(13, 9, 11), (8, 8, 8), (5, 4, 3), (1, 20, 7)])
def test_the_mask_is_the_threshold(
    merge: str, shape: tuple[int, int, int], threshold_bundle: BundleMaker, tmp_path: Path
) -> None:
    image = volume(shape=shape)
    bundle = threshold_bundle(tmp_path / "m", [0.51], overrides=[f"inference.merge={merge}"])
    result = Segmenter([bundle]).segment([image])
    assert np.array_equal(result.classes, image.data > 0.51)
    assert result.classes.dtype == np.int16
    assert result.probabilities is None


def test_several_labels(threshold_bundle: BundleMaker, tmp_path: Path) -> None:
    image = volume()
    bundle = threshold_bundle(tmp_path / "m", [0.31, 0.71], ["dim", "bright"], [4, 9])
    result = Segmenter([bundle]).segment([image], keep_probabilities=True)
    assert np.array_equal(result.classes, np.digitize(image.data, [0.31, 0.71]))
    assert result.probabilities is not None
    assert result.probabilities.shape == (2, *image.data.shape)


def test_the_window_is_enlarged_to_what_the_network_accepts(threshold_bundle: BundleMaker, tmp_path: Path) -> None:
    image = volume()
    bundle = threshold_bundle(tmp_path / "m", [0.51], overrides=["inference.window=[7, 5, 3]"])
    assert np.array_equal(Segmenter([bundle]).segment([image]).classes, image.data > 0.51)


def test_probabilities_are_the_networks_own(threshold_bundle: BundleMaker, tmp_path: Path) -> None:
    image = volume()
    bundle = threshold_bundle(tmp_path / "m", [0.51], slope=4)
    result = Segmenter([bundle]).segment([image], keep_probabilities=True)
    np.testing.assert_allclose(result.probabilities, logistic(image.data, 4, 0.51)[None], atol=1e-6)


def test_a_sigmoid_model_decides_at_its_threshold(threshold_bundle: BundleMaker, tmp_path: Path) -> None:
    image = volume()
    options = ["task.output=sigmoid", "inference.threshold=0.8"]
    bundle = threshold_bundle(tmp_path / "m", [0.51], slope=4, overrides=options)
    # Built with a row for background, which a sigmoid head does not have: take it off.
    state = {name: tensor[1:] if name.startswith("head.") else tensor for name, tensor in bundle.state.items()}
    bundle = Bundle(bundle.path, bundle.info, lambda: state)
    result = Segmenter([bundle]).segment([image], keep_probabilities=True)
    assert np.array_equal(result.classes, logistic(image.data, 4, 0.51) >= 0.8)
    np.testing.assert_allclose(result.probabilities, logistic(image.data, 4, 0.51)[None], atol=1e-6)


def test_models_are_averaged(threshold_bundle: BundleMaker, tmp_path: Path) -> None:
    image = volume()
    bundles = [
        threshold_bundle(tmp_path / f"m{k}", [t], slope=s) for k, (t, s) in enumerate([(0.2, 3), (0.5, 9), (0.81, 20)])
    ]
    result = Segmenter(bundles).segment([image], keep_probabilities=True)
    mean = np.mean([logistic(image.data, s, t) for t, s in [(0.2, 3), (0.5, 9), (0.81, 20)]], axis=0)
    np.testing.assert_allclose(result.probabilities, mean[None], atol=1e-6)
    clear = np.abs(mean - 0.5) > 1e-4
    assert clear.mean() > 0.9
    assert np.array_equal(result.classes[clear], (mean > 0.5)[clear])


def test_models_that_prepare_differently_are_averaged_on_the_files_grid(
    threshold_bundle: BundleMaker, tmp_path: Path
) -> None:
    image = volume(shape=(12, 14, 16), affine=np.diag([-1.0, 1.0, 2.0, 1.0]))
    plain = threshold_bundle(tmp_path / "plain", [0.51], slope=4)
    turned = threshold_bundle(tmp_path / "turned", [0.3], slope=8, overrides=["preparation.orientation=ILP"])
    coarse_options = ["preparation.spacing_mm=[2, 2, 2]", "preparation.crop=nonzero"]
    coarse = threshold_bundle(tmp_path / "coarse", [0.6], slope=6, overrides=coarse_options)
    prepared = prepare_image([image], coarse.info.recipe.preparation)
    probability = logistic(prepared.data, 6, 0.6)
    both = np.concatenate([1 - probability, probability]).astype(np.float32)
    third = restore_probabilities(both, prepared, [1.0, 0.0])[1]
    mean = (logistic(image.data, 4, 0.51) + logistic(image.data, 8, 0.3) + third) / 3
    result = Segmenter([plain, turned, coarse]).segment([image], keep_probabilities=True)
    np.testing.assert_allclose(result.probabilities, mean[None], atol=1e-5)
    clear = np.abs(mean - 0.5) > 1e-4
    assert np.array_equal(result.classes[clear], (mean > 0.5)[clear])


def test_models_that_do_not_agree_are_refused(threshold_bundle: BundleMaker, tmp_path: Path) -> None:
    first = threshold_bundle(tmp_path / "first")
    others = {
        "name": threshold_bundle(tmp_path / "name", names=["dark"]),
        "value": threshold_bundle(tmp_path / "value", values=[7]),
        "channel": threshold_bundle(tmp_path / "channel", channels=["t2"]),
    }
    for other in others.values():
        with pytest.raises(InputError, match=f"differs from {first.path} in labels, outputs or channels") as caught:
            Segmenter([first, other])
        assert caught.value.file == other.path
    with pytest.raises(InputError, match="no model was given"):
        Segmenter([])


def test_nothing_is_found_outside_a_mask(threshold_bundle: BundleMaker, tmp_path: Path) -> None:
    image = volume()
    inside = np.zeros(image.data.shape, np.int32)
    inside[3:9, 2:6, 4:10] = 1
    bundle = threshold_bundle(tmp_path / "m", [0.51])
    result = Segmenter([bundle]).segment([image], Volume(inside, image.grid))
    assert np.array_equal(result.classes, (image.data > 0.51) & (inside > 0))


def test_outside_the_crop_lies_background(threshold_bundle: BundleMaker, tmp_path: Path) -> None:
    image = volume(shape=(16, 16, 16))
    image.data[:5] = 0
    image.data[:, :, 12:] = 0
    bundle = threshold_bundle(tmp_path / "m", [0.51], slope=4, overrides=["preparation.crop=nonzero"])
    result = Segmenter([bundle]).segment([image], keep_probabilities=True)
    assert np.array_equal(result.classes, image.data > 0.51)
    assert result.probabilities is not None
    assert not result.probabilities[:, :5].any()


def test_components_are_filtered_as_the_recipe_says(threshold_bundle: BundleMaker, tmp_path: Path) -> None:
    image = volume()
    image.data[:] = 0
    image.data[1:4, 1:4, 1:4] = 1
    image.data[7:9, 7:9, 7:9] = 1
    bundle = threshold_bundle(tmp_path / "m", overrides=["postprocessing.keep_largest=1"])
    classes = Segmenter([bundle]).segment([image]).classes
    assert (int(classes.sum()), int(classes[1:4, 1:4, 1:4].sum())) == (27, 27)


def test_progress_counts_windows_and_ends_full(threshold_bundle: BundleMaker, tmp_path: Path) -> None:
    bundle = threshold_bundle(tmp_path / "m", overrides=["inference.overlap=0.0"])
    seen: list[tuple[int, int]] = []
    image = torch.zeros(1, 16, 8, 8)
    segmenter = Segmenter([bundle])
    window_probabilities(
        segmenter.runners.networks[0],
        segmenter.task,
        image,
        segmenter.recipes[0],
        lambda done, total: seen.append((done, total)),
    )
    assert seen == [(1, 2), (2, 2)]
