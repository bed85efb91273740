"""Instance norm that is right, and fast, on channels-last tensors.

PyTorch's own (2.13, on a CPU) gives the wrong gradient, without a word, for a channels-last batch of
one whose incoming gradient is channels-last too. For larger batches it is right but reorders the
tensor before it normalises and again after, in both directions of a training step. Batch norm does
neither, and over a batch of one it is instance norm; on a CPU loops of our own do the norm and the
activation after it at once.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional


class ChannelsLastInstanceNorm3d(nn.InstanceNorm3d):
    """`torch.nn.InstanceNorm3d`, with a sound gradient for channels-last tensors.

    Weights, names and outputs are the same; sums run in another order. Under ``torch.no_grad`` and
    in other memory formats the original runs, which exports to other engines.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Normalise (N, C, D, H, W) over its volume, for each sample and channel."""
        if not _for_gradients(input):
            return super().forward(input)
        if self.has_loops(input):
            return self.activated(input, 1.0)
        samples = [
            functional.batch_norm(sample, None, None, self.weight, self.bias, training=True, eps=self.eps)
            for sample in input.split(1)
        ]
        return samples[0] if len(samples) == 1 else torch.cat(samples)

    def has_loops(self, input: Tensor) -> bool:
        """Whether `activated` takes a tensor; a network that is compiled has loops of its compiler."""
        if not _for_gradients(input) or input.device.type != "cpu" or torch.compiler.is_compiling() or not self.affine:
            return False
        single = self.weight.dtype == torch.float32 and input.dtype in (torch.float32, torch.bfloat16)
        if not single or input.is_inference() or input.shape[1] != len(self.weight):
            return False
        from neurograft.networks.instance_norm_loops import MOST_CHANNELS  # slow to import

        return input.shape[1] <= MOST_CHANNELS

    def activated(self, input: Tensor, slope: float) -> Tensor:
        """The norm, then a leaky ReLU, of a tensor for which there are loops.

        Args:
            input: (N, C, D, H, W).
            slope: of what is below zero; 1 is no activation, 0 a ReLU.
        """
        from neurograft.networks.instance_norm_loops import NormalisedAndActivated

        result: Tensor = NormalisedAndActivated.apply(input, self.weight, self.bias, self.eps, slope)
        return result


def in_turn(first: nn.Module, second: nn.Module, x: Tensor) -> Tensor:
    """What the second layer makes of the first one's answer: at once for instance norm and a (leaky) ReLU."""
    if isinstance(first, ChannelsLastInstanceNorm3d) and not (first._forward_hooks or second._forward_hooks):
        slope = {nn.LeakyReLU: getattr(second, "negative_slope", None), nn.ReLU: 0.0}.get(type(second))
        if slope is not None and first.has_loops(x):
            return first.activated(x, slope)
    answer: Tensor = second(first(x))
    return answer


def _for_gradients(input: Tensor) -> bool:
    """Whether a gradient may be wanted of a tensor that lies channels-last, and not in both formats."""
    channels_last = input.dim() == 5 and input.is_contiguous(memory_format=torch.channels_last_3d)
    return torch.is_grad_enabled() and channels_last and not input.is_contiguous()
