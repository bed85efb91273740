import math

import pytest
import torch
from monai.losses import DiceLoss
from torch.nn import functional

from neurograft.errors import InputError
from neurograft.imaging.labels import IGNORE
from neurograft.recipes.schema import TaskConfig
from neurograft.tasks import AgeScale, SegmentationTask, cross_entropy_loss, dice_loss
from neurograft.tasks.losses import log_softmax, one_hot

CONFIGS = [
    TaskConfig(output=output, loss=loss, dice_reduction=reduction, include_background=background)
    for output in ("softmax", "sigmoid")
    for loss in ("dice", "dice_ce")
    for reduction in ("batch", "sample")
    for background in (False, True)
] + [
    TaskConfig(dice_denominator="squared"),
    TaskConfig(output="sigmoid", dice_denominator="squared"),
    TaskConfig(dice_activation="sigmoid", include_background=True, dice_denominator="squared"),
]


def logits_of(task: SegmentationTask, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn((2, len(task.outputs), 4, 4, 4), generator=generator).requires_grad_()


def classes(seed: int = 1) -> torch.Tensor:
    return torch.randint(0, 3, (2, 4, 4, 4), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("output", "expected"), [("softmax", ("background", "LC", "SN")), ("sigmoid", ("LC", "SN"))])
def test_outputs_are_named(output, expected) -> None:
    assert SegmentationTask(TaskConfig(output=output), ["LC", "SN"]).outputs == expected


def test_softmax_refuses_a_label_named_as_its_own_row() -> None:
    with pytest.raises(InputError, match="background"):
        SegmentationTask(TaskConfig(), ["CSF", "background"])


@pytest.mark.parametrize("config", CONFIGS)
def test_unannotated_voxels_have_no_gradient(config) -> None:
    task = SegmentationTask(config, ["LC", "SN"])
    logits, target = logits_of(task), classes()
    target[:, 1] = IGNORE
    task.loss({"main": logits}, target).backward()
    assert logits.grad is not None
    assert not logits.grad[:, :, 1].any()
    assert logits.grad[:, :, 0].any()


@pytest.mark.parametrize("config", CONFIGS)
def test_nothing_annotated_costs_nothing(config) -> None:
    task = SegmentationTask(config, ["LC", "SN"])
    logits = logits_of(task)
    loss = task.loss({"main": logits}, torch.full((2, 4, 4, 4), IGNORE))
    loss.backward()
    assert loss.item() == pytest.approx(0.0, abs=1e-6)
    assert logits.grad is not None
    assert not logits.grad.any()


@pytest.mark.parametrize("config", CONFIGS)
def test_right_outputs_cost_less_than_wrong_ones(config) -> None:
    task = SegmentationTask(config, ["LC", "SN"])
    target = classes()
    first = 0 if config.output == "softmax" else 1
    right = (one_hot(target, len(task.outputs), first) - 0.5) * 40
    assert task.loss({"main": right}, target).item() == pytest.approx(0.0, abs=1e-4)
    assert task.loss({"main": -right}, target).item() > 0.9


def test_background_counts_in_the_dice_term_only_when_asked() -> None:
    target = classes()
    logits = logits_of(SegmentationTask(TaskConfig(), ["LC", "SN"])).detach()
    truth, annotated = one_hot(target, 3, 0), torch.ones(2, 1, 4, 4, 4)
    entropy = cross_entropy_loss(log_softmax(logits), truth, annotated)
    for include, first in ((False, 1), (True, 0)):
        task = SegmentationTask(TaskConfig(include_background=include), ["LC", "SN"])
        expected = dice_loss(logits.softmax(1)[:, first:], truth[:, first:], annotated) + entropy
        assert task.loss({"main": logits}, target).item() == pytest.approx(expected.item(), abs=1e-6)


def test_loss_of_half_precision_outputs_is_taken_in_full_precision() -> None:
    task = SegmentationTask(TaskConfig(), ["LC", "SN"])
    loss = task.loss({"main": logits_of(task).bfloat16()}, classes())
    assert loss.dtype == torch.float32


def test_decision_of_a_softmax_is_the_most_probable_class() -> None:
    task = SegmentationTask(TaskConfig(output="softmax"), ["LC", "SN"])
    probabilities = torch.tensor([[0.4, 0.1, 0.2], [0.3, 0.6, 0.3], [0.3, 0.3, 0.5]]).view(3, 1, 1, 3)
    decided = task.decide(probabilities, threshold=0.9)
    assert decided.dtype == torch.int16
    assert decided.flatten().tolist() == [0, 1, 2]
    assert torch.equal(task.label_probabilities(probabilities), probabilities[1:])


@pytest.mark.parametrize(
    ("threshold", "expected"), [(0.5, [0, 1, 2, 2, 1]), (0.3, [1, 1, 2, 2, 1]), (0.85, [0, 1, 0, 0, 0])]
)
def test_decision_of_sigmoids_is_the_most_probable_above_the_threshold(threshold, expected) -> None:
    task = SegmentationTask(TaskConfig(output="sigmoid"), ["LC", "SN"])
    probabilities = torch.tensor([[0.4, 0.9, 0.2, 0.7, 0.5], [0.3, 0.6, 0.5, 0.8, 0.1]]).view(2, 1, 1, 5)
    decided = task.decide(probabilities, threshold)
    assert decided.dtype == torch.int16
    assert decided.flatten().tolist() == expected
    assert torch.equal(task.label_probabilities(probabilities), probabilities)


def test_activation() -> None:
    logits = torch.tensor([0.0, math.log(3.0)]).view(1, 2, 1, 1, 1)
    softmax = SegmentationTask(TaskConfig(output="softmax"), ["LC"])
    sigmoid = SegmentationTask(TaskConfig(output="sigmoid"), ["LC", "SN"])
    assert softmax.activate(logits).flatten().tolist() == pytest.approx([0.25, 0.75])
    assert sigmoid.activate(logits).flatten().tolist() == pytest.approx([0.5, 0.75])


@pytest.mark.parametrize("config", [config for config in CONFIGS if config.output == "sigmoid"])
def test_an_unknown_sigmoid_channel_has_no_gradient_and_the_others_do(config) -> None:
    task = SegmentationTask(config, ["LC", "SN"])
    logits, target = logits_of(task), classes()
    target[:, 1] = 0
    unknown = torch.zeros(2, 2, 4, 4, 4, dtype=torch.bool)
    unknown[:, 0, 1] = True
    task.loss({"main": logits}, target, unknown).backward()
    assert logits.grad is not None
    assert not logits.grad[:, 0, 1].any()
    assert logits.grad[:, 1, 1].all()


@pytest.mark.parametrize("config", [c for c in CONFIGS if c.output == "softmax" and c.dice_activation == "output"])
def test_a_softmax_does_not_care_which_of_background_and_unknown_labels_it_is(config) -> None:
    task = SegmentationTask(config, ["LC", "SN"])
    target = classes()
    target[:, 1] = 0
    unknown = torch.zeros(2, 2, 4, 4, 4, dtype=torch.bool)
    unknown[:, 1, 1] = True
    probabilities = logits_of(task).detach().softmax(1)
    moved = probabilities.clone()
    moved[:, 2, 1], moved[:, 0, 1] = probabilities[:, 0, 1], probabilities[:, 2, 1]
    losses = [task.loss({"main": p.log()}, target, unknown).item() for p in (probabilities, moved)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)
    assert task.loss({"main": moved.log()}, target).item() != pytest.approx(losses[0], abs=1e-3)


WEIGHTED = TaskConfig(class_weights="median_frequency", class_weight_values=(0.2, 3.0, 1.0))


@pytest.mark.parametrize("config", [*CONFIGS, WEIGHTED, WEIGHTED.model_copy(update={"loss": "ce"})])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
def test_nothing_unknown_is_as_without_the_mask(config, layout) -> None:
    """The loss and its gradient from sums, and the same written out voxel by voxel."""
    task = SegmentationTask(config, ["LC", "SN"])
    target = classes()
    target[:, 0] = IGNORE
    none = torch.zeros(2, 2, 4, 4, 4, dtype=torch.bool)
    losses, gradients = [], []
    for unknown in (None, none):
        logits = logits_of(task).detach().to(memory_format=layout).requires_grad_()
        loss = task.loss({"main": logits}, target, unknown)
        losses.append(loss)
        gradients.append(torch.autograd.grad(loss, logits)[0])
    torch.testing.assert_close(*losses, rtol=0, atol=1e-6)
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-7)


def test_loss_of_p3s_code_equals_monai() -> None:
    config = TaskConfig(include_background=True, dice_activation="sigmoid", dice_denominator="squared")
    task = SegmentationTask(config, ["LC", "SN"])
    logits, target = logits_of(task).detach(), classes()
    dice = DiceLoss(to_onehot_y=True, sigmoid=True, squared_pred=True, batch=True, smooth_nr=1e-5, smooth_dr=1e-5)(
        logits, target.unsqueeze(1)
    )
    expected = dice + functional.cross_entropy(logits, target)
    assert task.loss({"main": logits}, target).item() == pytest.approx(expected.item(), abs=1e-6)


def test_decision_by_channel_ignores_the_background() -> None:
    task = SegmentationTask(TaskConfig(decision="channel_threshold"), ["LC", "SN"])
    probabilities = torch.tensor([[0.9, 0.9, 0.1], [0.6, 0.4, 0.6], [0.1, 0.3, 0.7]]).view(3, 1, 1, 3)
    assert task.decide(probabilities, threshold=0.5).flatten().tolist() == [1, 0, 2]
    assert torch.equal(task.activate(torch.zeros(1, 3, 1, 1, 1)), torch.full((1, 3, 1, 1, 1), 0.5))


def deep_outputs(task: SegmentationTask, seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    sides = {"main": 8, "aux_head1": 4, "aux_head2": 2}
    return {
        name: torch.randn((2, len(task.outputs), side, side, side), generator=generator).requires_grad_()
        for name, side in sides.items()
    }


@pytest.mark.parametrize("targets", ["downsampled", "upsampled"])
@pytest.mark.parametrize("config", [TaskConfig(), TaskConfig(output="sigmoid", loss="dice")])
def test_deep_supervision_ignores_unannotated_voxels_at_every_scale(targets, config) -> None:
    config = config.model_copy(
        update={"deep_supervision_weights": (1.0, 0.5, 0.25), "deep_supervision_targets": targets}
    )
    task = SegmentationTask(config, ["LC", "SN"])
    outputs = deep_outputs(task)
    target = torch.randint(0, 3, (2, 8, 8, 8), generator=torch.Generator().manual_seed(1))
    target[:, :4] = IGNORE
    task.loss(outputs, target).backward()
    for name, half in (("main", 4), ("aux_head1", 2), ("aux_head2", 1)):
        gradient = outputs[name].grad
        assert gradient is not None
        assert not gradient[:, :, :half].any(), name
        assert gradient[:, :, half:].any(), name


def test_deep_supervision_is_the_weighted_sum_of_its_scales() -> None:
    weights = (1.0, 0.5, 0.25)
    plain = SegmentationTask(TaskConfig(), ["LC", "SN"])
    outputs = {name: logits.detach() for name, logits in deep_outputs(plain).items()}
    target = torch.randint(0, 3, (2, 8, 8, 8), generator=torch.Generator().manual_seed(1))
    parts = [
        plain.loss({"main": outputs["main"]}, target).item(),
        plain.loss({"main": outputs["aux_head1"]}, target[:, ::2, ::2, ::2]).item(),
        plain.loss({"main": outputs["aux_head2"]}, target[:, ::4, ::4, ::4]).item(),
    ]
    total = sum(weight * part for weight, part in zip(weights, parts, strict=True))
    for normalise, expected in ((False, total), (True, total / 1.75)):
        config = TaskConfig(deep_supervision_weights=weights, deep_supervision_normalise=normalise)
        task = SegmentationTask(config, ["LC", "SN"])
        assert task.loss(outputs, target).item() == pytest.approx(expected, rel=1e-6)


def test_boundary_term_rises_with_progress() -> None:
    plain = SegmentationTask(TaskConfig(), ["LC", "SN"])
    task = SegmentationTask(TaskConfig(boundary_weight=2.0), ["LC", "SN"])
    logits, target = logits_of(task).detach(), classes()
    base = plain.loss({"main": logits}, target).item()
    at = [task.loss({"main": logits}, target, progress=progress).item() - base for progress in (0.0, 0.5, 1.0)]
    assert at[0] == pytest.approx(0.0, abs=1e-6)
    assert at[1] == pytest.approx(at[2] / 2, abs=1e-6)
    assert abs(at[2]) > 0.01


def age_task(**options) -> SegmentationTask:
    return SegmentationTask(TaskConfig(age_weight=0.1, **options), ["LC", "SN"], AgeScale(40.0, 2.0))


def test_age_term_by_hand() -> None:
    target = classes()
    outputs = {"main": logits_of(age_task()).detach(), "age": torch.tensor([1.0, -1.0])}
    ages = {"age": torch.tensor([42.0, 40.0])}
    base = age_task(train="segmentation").loss(outputs, target).item()
    # Standardised truth 1 and 0: errors 0 and -1, a mean square of one half; 2 in the covariate's unit.
    assert age_task().loss(outputs, target, covariates=ages).item() == pytest.approx(base + 0.05, abs=1e-6)
    in_weeks = age_task(age_loss_unit="covariate").loss(outputs, target, covariates=ages).item()
    assert in_weeks == pytest.approx(base + 0.2, abs=1e-6)
    rising = age_task(age_weight_schedule="rising").loss(outputs, target, covariates=ages, progress=0.25).item()
    assert rising == pytest.approx(base + 0.0125, abs=1e-6)
    alone = age_task(train="age").loss(outputs, target, covariates=ages).item()
    assert alone == pytest.approx(0.05, abs=1e-6)


def test_age_without_its_scale_is_an_error() -> None:
    task = SegmentationTask(TaskConfig(age_weight=0.1), ["LC", "SN"])
    with pytest.raises(ValueError, match="mean and standard deviation"):
        task.loss({"main": logits_of(task), "age": torch.zeros(2)}, classes(), covariates={"age": torch.zeros(2)})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"output": "sigmoid", "decision": "channel_threshold"}, "for task.output: softmax"),
        ({"output": "sigmoid", "dice_activation": "sigmoid"}, "for task.output: softmax"),
        ({"train": "age"}, "age_weight above 0"),
        ({"deep_supervision_weights": (0.0, 0.0)}, "are all 0"),
        ({"deep_supervision_weights": ()}, "at least 1"),
        ({"deep_supervision_weights": (1.0, -1.0)}, "greater than or equal to 0"),
    ],
)
def test_terms_that_do_not_fit_are_refused(options, message) -> None:
    with pytest.raises(ValueError, match=message):
        TaskConfig(**options)
