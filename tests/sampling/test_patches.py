"""Patches lie where they were asked for, as often as they were asked for."""

from collections import Counter

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neurograft.recipes.schema import SamplingConfig
from neurograft.sampling.examples import TrainingCase
from neurograft.sampling.patches import draw_patches


def _case(case_id: str, subject: str, shape: tuple[int, int, int], voxels: dict[tuple[int, int, int], int]):
    target = torch.zeros(shape, dtype=torch.int16)
    for place, value in voxels.items():
        target[place] = value
    return TrainingCase(case_id, subject, torch.zeros(1, *shape), target)


def _holds(centre, size, voxel) -> bool:
    return all(abs(place - middle) <= (side - 1) / 2 for middle, side, place in zip(centre, size, voxel, strict=True))


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 12)] * 3),
    size=st.tuples(*[st.integers(1, 12)] * 3),
    share=st.sampled_from([0.0, 1.0]),
    seed=st.integers(0, 2**31),
)
def test_patches_stay_inside_or_are_centred(shape, size, share, seed):
    voxel = tuple(length - 1 for length in shape)
    config = SamplingConfig(patch_size=size, target_probability=share)
    generator = torch.Generator().manual_seed(seed)
    for draw in draw_patches([_case("a", "a", shape, {voxel: 1})], 4, config, generator):
        for length, side, centre in zip(shape, size, draw.centre, strict=True):
            start = centre - (side - 1) / 2
            assert start == int(start)
            if length > side:
                assert 0 <= start <= length - side
            else:
                assert start == -((side - length) // 2)
        assert draw.target_voxel == (voxel if share else None)
        if share:
            assert _holds(draw.centre, size, voxel)


def test_every_offset_of_the_target_voxel_and_every_position_is_reached_equally():
    case = _case("a", "a", (20, 20, 20), {(10, 10, 10): 1})
    generator = torch.Generator().manual_seed(0)
    for share, positions in ((1.0, range(7, 11)), (0.0, range(17))):
        config = SamplingConfig(patch_size=(4, 4, 4), target_probability=share)
        starts = Counter(draw.centre[1] - 1.5 for draw in draw_patches([case], 3400, config, generator))
        assert sorted(starts) == list(positions)
        expected = 3400 / len(positions)
        assert all(abs(count - expected) < 5 * expected**0.5 for count in starts.values())


def test_share_of_patches_with_target_is_the_asked_one():
    case = _case("a", "a", (40, 40, 40), {(20, 20, 20): 1})
    config = SamplingConfig(patch_size=(2, 2, 2), target_probability=0.3)
    draws = draw_patches([case], 2000, config, torch.Generator().manual_seed(1))
    placed = sum(draw.target_voxel is not None for draw in draws)
    assert abs(placed - 600) < 5 * (2000 * 0.3 * 0.7) ** 0.5


def test_classes_are_equally_likely_whatever_their_size():
    target = torch.ones(6, 6, 6, dtype=torch.int16)
    target[0, 0, 0] = 2
    target[5] = -1
    case = TrainingCase("a", "a", torch.zeros(1, 6, 6, 6), target)
    config = SamplingConfig(patch_size=(2, 2, 2), target_probability=1)
    draws = draw_patches([case], 1000, config, torch.Generator().manual_seed(2))
    small = sum(draw.target_voxel == (0, 0, 0) for draw in draws)
    assert abs(small - 500) < 5 * 250**0.5
    assert all(target[draw.target_voxel] > 0 for draw in draws)


def test_subjects_are_equally_likely_whatever_their_number_of_cases():
    cases = [_case(f"a{index}", "a", (4, 4, 4), {}) for index in range(3)] + [_case("b", "b", (4, 4, 4), {})]
    config = SamplingConfig(patch_size=(2, 2, 2), target_probability=1)
    counts = Counter(draw.case for draw in draw_patches(cases, 1200, config, torch.Generator().manual_seed(3)))
    assert abs(counts[3] - 600) < 5 * 300**0.5
    assert all(abs(counts[index] - 200) < 5 * 167**0.5 for index in range(3))


def _slice_case(shape=(60, 40, 40), plane=33) -> TrainingCase:
    target = torch.full(shape, -1, dtype=torch.int16)
    target[plane, 5:20, 8:30] = 0
    return TrainingCase("a", "a", torch.zeros(1, *shape), target)


def test_patches_of_a_partly_annotated_case_hold_something_annotated():
    case = _slice_case()
    config = SamplingConfig(patch_size=(6, 5, 4), target_probability=0.5)
    for draw in draw_patches([case], 300, config, torch.Generator().manual_seed(0)):
        start = [int(middle - (side - 1) / 2) for middle, side in zip(draw.centre, config.patch_size, strict=True)]
        box = tuple(slice(first, first + side) for first, side in zip(start, config.patch_size, strict=True))
        assert (case.target[box] != -1).any()
        assert case.target[draw.target_voxel] == 0


def test_every_annotated_voxel_is_as_likely():
    target = torch.full((4, 3, 2), -1, dtype=torch.int16)
    places = [(0, 0, 1), (2, 0, 0), (2, 1, 1), (2, 2, 0), (3, 2, 1)]
    for place in places:
        target[place] = 0
    case = TrainingCase("a", "a", torch.zeros(1, 4, 3, 2), target)
    config = SamplingConfig(patch_size=(2, 2, 2), target_probability=0)
    draws = draw_patches([case], 2000, config, torch.Generator().manual_seed(1))
    counts = Counter(draw.target_voxel for draw in draws)
    assert sorted(counts) == places
    assert all(abs(count - 400) < 5 * 400**0.5 for count in counts.values())


def test_share_of_patches_with_an_annotated_voxel_is_the_asked_one():
    config = SamplingConfig(patch_size=(2, 2, 2), target_probability=0, annotated_probability=0.25)
    draws = draw_patches([_slice_case()], 2000, config, torch.Generator().manual_seed(1))
    placed = sum(draw.target_voxel is not None for draw in draws)
    assert abs(placed - 500) < 5 * (2000 * 0.25 * 0.75) ** 0.5


def test_whole_cases_are_drawn_as_if_there_were_no_partial_ones():
    case = _case("a", "a", (20, 20, 20), {(10, 10, 10): 1})
    starts = []
    for share in (0.0, 1.0):
        config = SamplingConfig(patch_size=(4, 4, 4), annotated_probability=share)
        starts.append(draw_patches([case], 50, config, torch.Generator().manual_seed(5)))
    assert starts[0] == starts[1]
    nothing = TrainingCase("a", "a", torch.zeros(1, 8, 8, 8), torch.full((8, 8, 8), -1, dtype=torch.int16))
    draws = draw_patches([nothing], 5, SamplingConfig(patch_size=(4, 4, 4)), torch.Generator().manual_seed(5))
    assert all(draw.target_voxel is None for draw in draws)


def test_better_labels_are_seen_more_often_where_the_recipe_wants_it():
    cases = [_case(name, name, (9, 9, 9), {(4, 4, 4): 1}) for name in "abc"]
    for case, quality in zip(cases, (0.0, 0.25, 0.75), strict=True):
        case.quality = quality
    config = SamplingConfig(patch_size=(5, 5, 5), by_quality=True)
    draws = draw_patches(cases, 2000, config, torch.Generator().manual_seed(0))
    counts = Counter(draw.case for draw in draws)
    # Binomial with p = 1/4: 500 with a standard deviation of 19; five of them either side.
    assert counts[0] == 0
    assert 405 < counts[1] < 595
    plain = draw_patches(cases, 2000, SamplingConfig(patch_size=(5, 5, 5)), torch.Generator().manual_seed(0))
    assert all(567 < count < 767 for count in Counter(draw.case for draw in plain).values())


def test_where_no_label_is_any_good_all_are_alike():
    cases = [_case(name, name, (9, 9, 9), {(4, 4, 4): 1}) for name in "ab"]
    for case in cases:
        case.quality = 0.0
    config = SamplingConfig(patch_size=(5, 5, 5), by_quality=True)
    assert {draw.case for draw in draw_patches(cases, 50, config, torch.Generator().manual_seed(0))} == {0, 1}
