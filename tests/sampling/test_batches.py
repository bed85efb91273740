"""Batches come from their step's number alone."""

import pytest
import torch

from neurograft.errors import InputError
from neurograft.recipes.schema import AugmentationConfig, SamplingConfig
from neurograft.sampling import PatchBatches, TrainingCase

SAMPLING = SamplingConfig(patch_size=(8, 8, 8), batch_size=3)
EVERYTHING = AugmentationConfig(
    rotation_probability=1,
    scale_probability=1,
    flip_axes=("left-right", "inferior-superior"),
    elastic_probability=1,
    elastic_spacing_voxels=6,
    noise_probability=1,
    blur_probability=1,
    intensity_scale_probability=1,
    intensity_shift_probability=1,
    gamma_probability=1,
)
NOTHING = AugmentationConfig(
    rotation_probability=0,
    scale_probability=0,
    elastic_probability=0,
    noise_probability=0,
    blur_probability=0,
    intensity_scale_probability=0,
    intensity_shift_probability=0,
    gamma_probability=0,
)


def _cases(count=3, channels=1) -> list[TrainingCase]:
    generator = torch.Generator().manual_seed(0)
    cases = []
    for index in range(count):
        target = torch.zeros(12, 14, 10, dtype=torch.int16)
        target[3:6, 4:8, 2:7] = 1
        target[7:9, 4:8, 2:7] = 2
        image = torch.randn(channels, 12, 14, 10, generator=generator)
        cases.append(TrainingCase(f"case{index}", f"subject{index}", image, target))
    return cases


def test_a_step_is_the_same_in_any_order_and_from_another_object():
    forwards = PatchBatches(_cases(), SAMPLING, EVERYTHING, [(1, 2)], seed=7)
    backwards = PatchBatches(_cases(), SAMPLING, EVERYTHING, [(1, 2)], seed=7)
    first = [forwards.batch(step) for step in range(4)]
    second = [backwards.batch(step) for step in reversed(range(4))][::-1]
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one.image, other.image)
        assert torch.equal(one.target, other.target)
        assert one.case_ids == other.case_ids
    assert not torch.equal(first[0].image, first[1].image)


def test_another_seed_gives_other_batches():
    one, other = (PatchBatches(_cases(), SAMPLING, NOTHING, seed=seed).batch(0) for seed in (0, 1))
    assert not torch.equal(one.image, other.image)
    next_step = PatchBatches(_cases(), SAMPLING, NOTHING, seed=0).batch(1)
    assert not torch.equal(next_step.image, other.image), "seeds must not be steps of one another"


def test_global_randomness_is_neither_used_nor_moved():
    batches = PatchBatches(_cases(), SAMPLING, EVERYTHING)
    torch.manual_seed(0)
    state = torch.get_rng_state()
    first = batches.batch(3)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(99)
    assert torch.equal(batches.batch(3).image, first.image)


def test_shapes_and_types():
    batch = PatchBatches(_cases(channels=2), SAMPLING, EVERYTHING, [(1, 2)]).batch(0)
    assert batch.image.shape == (3, 2, 8, 8, 8)
    assert batch.image.dtype == torch.float32
    assert batch.target.shape == (3, 8, 8, 8)
    assert batch.target.dtype == torch.int64
    assert len(batch.case_ids) == 3
    assert torch.isfinite(batch.image).all()


def test_cases_are_left_untouched():
    cases = _cases()
    before = [(case.image.clone(), case.target.clone()) for case in cases]
    for augmentation in (NOTHING, EVERYTHING):
        for step in range(3):
            PatchBatches(cases, SAMPLING, augmentation, [(1, 2)]).batch(step)
    for case, (image, target) in zip(cases, before, strict=True):
        assert torch.equal(case.image, image)
        assert torch.equal(case.target, target)


def test_left_right_flip_follows_the_orientation():
    target = torch.zeros(4, 4, 4, dtype=torch.int16)
    target[:, 0] = 1
    target[:, 3] = 2
    case = TrainingCase("a", "a", torch.zeros(1, 4, 4, 4), target)
    sampling = SamplingConfig(patch_size=(4, 4, 4), batch_size=1)
    flips = NOTHING.model_copy(update={"flip_axes": ("left-right",)})
    # Axis 1 runs from left to right, and the sides swap: whatever is drawn, the target stays as it is.
    batches = PatchBatches([case], sampling, flips, [(1, 2)], orientation="ARS")
    assert all(torch.equal(batches.batch(step).target[0], target.long()) for step in range(12))


@pytest.mark.parametrize(
    ("subjects", "patches_per_subject", "batch_size", "steps"), [(5, 1, 2, 3), (4, 2, 2, 4), (1, 0.1, 2, 1)]
)
def test_steps_per_epoch_counts_subjects(subjects, patches_per_subject, batch_size, steps):
    cases = _cases(subjects)
    cases.append(TrainingCase("again", "subject0", cases[0].image, cases[0].target))
    sampling = SamplingConfig(batch_size=batch_size, patches_per_subject=patches_per_subject)
    assert PatchBatches(cases, sampling, NOTHING).steps_per_epoch == steps


def test_flips_without_partners_are_refused():
    flips = NOTHING.model_copy(update={"flip_axes": ("left-right",)})
    with pytest.raises(InputError, match="Left-Putamen"):
        PatchBatches(_cases(), SAMPLING, flips, unpaired_sides=["Left-Putamen"])
    PatchBatches(_cases(), SAMPLING, NOTHING, unpaired_sides=["Left-Putamen"])


def test_no_cases_and_mixed_channels_are_refused():
    with pytest.raises(InputError, match="no case"):
        PatchBatches([], SAMPLING, NOTHING)
    with pytest.raises(InputError, match="channels"):
        PatchBatches(_cases(1) + _cases(1, channels=2), SAMPLING, NOTHING)


def test_numbers_that_all_cases_know_come_with_their_patches():
    def numbered(name: str, covariates: dict[str, float]) -> TrainingCase:
        image = torch.zeros(1, 8, 8, 8)
        return TrainingCase(name, name, image, torch.zeros(8, 8, 8, dtype=torch.int16), covariates=covariates)

    ages = {"a": 26.5, "b": 40.25}
    cases = [numbered("a", {"age": 26.5, "dose": 1.0}), numbered("b", {"age": 40.25})]
    sampling = SamplingConfig(patch_size=(8, 8, 8), batch_size=6)
    batch = PatchBatches(cases, sampling, AugmentationConfig()).batch(0)
    assert list(batch.covariates) == ["age"]
    assert batch.covariates["age"].dtype == torch.float32
    assert batch.covariates["age"].tolist() == [ages[name] for name in batch.case_ids]
    assert set(batch.case_ids) == {"a", "b"}


def test_warming_up_makes_every_change_that_may_come_and_leaves_the_batches_as_they_were(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rarely = AugmentationConfig(rotation_probability=0.01, blur_probability=0.02, noise_probability=0)
    batches = PatchBatches(_cases(), SAMPLING, rarely, seed=7)
    before, seen = batches.batch(3), []
    made = PatchBatches.batch
    monkeypatch.setattr(PatchBatches, "batch", lambda self, step: (seen.append(self.augmentation), made(self, step))[1])
    batches.warm_up()
    monkeypatch.undo()
    assert [(each.rotation_probability, each.blur_probability, each.noise_probability) for each in seen] == [(1, 1, 0)]
    assert batches.augmentation is rarely
    assert torch.equal(batches.batch(3).image, before.image)
