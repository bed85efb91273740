"""3x3x3 convolution with a faster gradient of its weights on processors that multiply bfloat16."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor, nn


class ThreeWideConvolution3d(nn.Conv3d):
    """A `torch.nn.Conv3d` of three voxels a side and padding 1; weights, names and outputs are the same.

    In bf16 on a CPU the gradient of the weights is what PyTorch (2.13, oneDNN 3.12) is slowest at, with two thirds of
    the rate of the convolution itself. Where the processor adds up products of pairs (AVX-512 BF16) and channels come
    in multiples of sixteen, loops of our own make it for channels-last tensors and stride 1. Anywhere else, and where
    the weights do not learn, the original runs, which exports to other engines.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        stride: voxels from one answer to the next.
        bias: whether there is one.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1, bias: bool = True) -> None:
        super().__init__(in_channels, out_channels, 3, stride=stride, padding=1, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, C_in, D, H, W) to (N, C_out, D/stride, H/stride, W/stride), rounded up."""
        if not self.has_loops(input):
            return super().forward(input)
        from neurograft.networks.convolution_loops import Convolved  # slow to import

        convolved: Tensor = Convolved.apply(input, self.weight, self.bias)
        return convolved

    def has_loops(self, input: Tensor) -> bool:
        """Whether the weights' gradient is that of the loops, for a tensor; a network that is compiled has none."""
        if _ORIGINAL.get() or not torch.is_grad_enabled() or torch.compiler.is_compiling():
            return False
        if input.dim() != 5 or input.shape[1] != self.in_channels or not input.numel() or input.is_inference():
            return False
        if self.in_channels % 16 or self.out_channels % 16 or self.stride != (1, 1, 1):
            return False
        if input.is_contiguous() or not input.is_contiguous(memory_format=torch.channels_last_3d):
            return False
        # An adapter makes the weight anew each time that it is asked for; what it is made of says enough.
        weights = [each for name, each in self.named_parameters() if name != "bias"]
        learns = any(each.requires_grad for each in weights)
        if not learns or any(each.device.type != "cpu" for each in (input, *weights)):
            return False
        if not _computed_in_bf16({each.dtype for each in (input, *weights)}):
            return False
        from neurograft.networks.bf16_tile import multiplies_pairs

        return multiplies_pairs()


_ORIGINAL: ContextVar[bool] = ContextVar("_ORIGINAL", default=False)


@contextmanager
def original_convolutions() -> Iterator[None]:
    """Let PyTorch's own convolutions run, as they do in a network that is compiled."""
    token = _ORIGINAL.set(True)
    try:
        yield
    finally:
        _ORIGINAL.reset(token)


def _computed_in_bf16(kinds: set[torch.dtype]) -> bool:
    """Whether PyTorch would convolve tensors of such kinds in bfloat16, on a CPU."""
    if torch.is_autocast_enabled("cpu"):
        casts = kinds <= {torch.float32, torch.float16, torch.bfloat16}
        return casts and torch.get_autocast_dtype("cpu") == torch.bfloat16
    return kinds == {torch.bfloat16}
