"""Whether a network's convolutions have the gradients in half precision that they have in single precision.

They have not everywhere: PyTorch 2.13 on x86 CPUs leaves parts of a 3D convolution's gradient unwritten in bf16 where
its input is two voxels deep, as at the bottom of a deep U-Net on small patches. What lay in memory before then counts
as gradient.
"""

import torch
from torch import Tensor
from torch.nn.modules.conv import _ConvNd
from torch.nn.utils import parametrize

from neurograft.hardware.trial_steps import working_copy
from neurograft.networks import UnitNetwork

MOST_ERROR = 0.1
"""Of a gradient, as a share of its norm. Rounding gives less than 0.01, since both begin with the same numbers."""


def gradient_fault(network: UnitNetwork, device: str, channels_last: bool, shape: tuple[int, ...]) -> str:
    """Compare each convolution's gradients in bf16 with those in single precision, on noise.

    One by one: through a whole network rounding grows to the size of the gradient itself.

    Args:
        network: it is not changed.
        device: where both are computed.
        channels_last: memory format in bf16.
        shape: of what the network reads, (N, C, D, H, W).

    Returns:
        The convolution whose gradient is wrong, in words; empty if none is.
    """
    seen = set()
    for name, layer, size in _convolutions(network, device, channels_last, shape):
        kind = str(layer), size
        if kind in seen:
            continue
        seen.add(kind)
        given = torch.randn(size, generator=torch.Generator().manual_seed(0)).bfloat16().float().to(device)
        expected = _gradients(layer, given, device, half=False)
        if channels_last and given.ndim == 5:
            given = given.to(memory_format=torch.channels_last_3d)
        for one, other in zip(expected, _gradients(layer, given, device, half=True), strict=True):
            error, norm = float((other.float() - one).norm()), float(one.norm())
            if not error <= MOST_ERROR * norm:
                read = " x ".join(map(str, size[2:]))
                return f"the gradient of {name}, which reads {read} voxels, is not that of single precision"
    return ""


def _convolutions(
    network: UnitNetwork, device: str, channels_last: bool, shape: tuple[int, ...]
) -> list[tuple[str, _ConvNd, tuple[int, ...]]]:
    """Every convolution's name, a copy of it in the memory format, and the shape that it reads."""
    found = []
    with working_copy(network, device, channels_last, shape) as (trial, image), torch.no_grad():
        names = {module: name for name, module in trial.named_modules() if isinstance(module, _ConvNd)}
        for layer in names:
            if parametrize.is_parametrized(layer, "weight"):
                # An adapter's; its convolution is that of any other weights.
                parametrize.remove_parametrizations(layer, "weight")
            layer.register_forward_pre_hook(
                lambda layer, given: found.append((names[layer], layer, tuple(given[0].shape)))
            )
        trial(image)
        for layer in names:
            layer._forward_pre_hooks.clear()
    return found


def _gradients(layer: _ConvNd, given: Tensor, device: str, half: bool) -> list[Tensor]:
    """Of what a convolution reads and of its weights and bias, for noise as the gradient of its answer."""
    given = given.detach().clone().requires_grad_()
    # Rounded weights, so that nothing but the arithmetic differs.
    learnt = {name: each.detach().bfloat16().float().requires_grad_() for name, each in layer.named_parameters()}
    with torch.autocast(device, dtype=torch.bfloat16, enabled=half):
        answer = torch.func.functional_call(layer, learnt, (given,))
    noise = torch.randn(answer.shape, generator=torch.Generator().manual_seed(1)).bfloat16().to(answer)
    # What is not written shall show.
    unwritten = [torch.full_like(learnt["weight"], torch.nan, dtype=kind) for kind in (torch.float32, torch.bfloat16)]
    del unwritten
    return list(torch.autograd.grad(answer, [given, *learnt.values()], noise))
