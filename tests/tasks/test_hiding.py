import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neurograft.errors import InputError
from neurograft.tasks.hiding import hidden_cubes, hide

sizes = st.tuples(*[st.integers(1, 9)] * 3).filter(lambda size: max(size) > 3)


@settings(max_examples=60, deadline=None)
@given(size=sizes, cube=st.integers(1, 3), share=st.floats(0.01, 0.99), seed=st.integers(0, 2**63 - 1))
def test_whole_cubes_are_hidden_as_many_as_asked_and_never_all(size, cube, share, seed) -> None:
    mask = hidden_cubes(torch.zeros(3, 2, *size), cube, share, seed)
    assert (mask.shape, mask.dtype) == ((3, 1, *size), torch.bool)
    cubes = [
        mask[:, 0, i : i + cube, j : j + cube, k : k + cube].flatten(1)
        for i in range(0, size[0], cube)
        for j in range(0, size[1], cube)
        for k in range(0, size[2], cube)
    ]
    assert all(torch.equal(part.all(1), part.any(1)) for part in cubes)
    hidden = torch.stack([part.any(1) for part in cubes]).sum(0)
    wanted = min(max(1, round(share * len(cubes))), len(cubes) - 1)
    assert hidden.tolist() == [wanted] * 3


def test_the_seed_decides_and_patches_of_one_batch_differ() -> None:
    patches = torch.zeros(2, 1, 16, 16, 16)
    first, again, other = (hidden_cubes(patches, 4, 0.5, seed) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first[0], first[1])


def test_a_single_cube_is_refused_with_a_mend() -> None:
    with pytest.raises(InputError, match=r"8 x 8 x 1 voxels is one hidden cube of 8.*hidden_cube_voxels smaller"):
        hidden_cubes(torch.zeros(1, 1, 8, 8, 1), 8, 0.5, 0)


def test_nothing_of_what_is_hidden_shows() -> None:
    generator = torch.Generator().manual_seed(0)
    patches = torch.randn((2, 2, 6, 6, 6), generator=generator)
    mask = hidden_cubes(patches, 2, 0.4, seed=3)
    shown = hide(patches, mask)
    assert torch.equal(shown[~mask.expand_as(shown)], patches[~mask.expand_as(patches)])
    for number in range(2):
        for channel in range(2):
            values = shown[number, channel][mask[number, 0]]
            visible = patches[number, channel][~mask[number, 0]].mean()
            assert torch.allclose(values, visible.expand_as(values), atol=1e-6)
    changed = torch.where(mask, patches + 100, patches)
    assert torch.equal(hide(changed, mask), shown)
