"""The attention gate: coarse features decide which places of a skip count."""

from torch import Tensor, nn
from torch.nn import functional


class AttentionGate(nn.Module):
    """Weighs each place of a skip with a number between 0 and 1.

    The skip goes through a 1x1 convolution of stride 2, which brings it to the size of the gating features;
    these go through a 1x1 convolution of their own; the sum goes through ReLU, a 1x1 convolution to one
    channel and a sigmoid, is brought back to the skip's size, bilinearly, and multiplies the skip.

    P2 counts two 1x1 convolutions and does not say whether one is on the gating features; that one, the
    bilinear interpolation and the single channel are Oktay's. Half of the skip's channels lie between.

    Args:
        skip_channels: of the skip.
        gating_channels: of the features at half its resolution.

    Reference:
        Zhao et al. 2022 (P2), attention gate; Oktay et al. 2018, "Attention U-Net: learning where to look
        for the pancreas", section 2.
    """

    def __init__(self, skip_channels: int, gating_channels: int) -> None:
        super().__init__()
        between = max(1, skip_channels // 2)
        self.skip = nn.Conv2d(skip_channels, between, 1, bias=False)
        self.gating = nn.Conv2d(gating_channels, between, 1)
        self.act = nn.ReLU(inplace=True)
        self.weight = nn.Conv2d(between, 1, 1)

    def forward(self, skip: Tensor, gating: Tensor) -> Tensor:
        """Map the skip (M, C, 2A, 2B) and the gating features (M, G, A, B) to the skip's shape."""
        return skip * self.attention(skip, gating)

    def attention(self, skip: Tensor, gating: Tensor) -> Tensor:
        """The weights (M, 1, 2A, 2B), in (0, 1)."""
        # Every second place and a 1x1 convolution are one of stride 2; that itself writes beyond its memory in
        # the backward pass of PyTorch 2.13 on a CPU, for few channels that lie last.
        coarse = self.weight(self.act(self.skip(skip[..., ::2, ::2]) + self.gating(gating))).sigmoid()
        return functional.interpolate(coarse, size=skip.shape[2:], mode="bilinear", align_corners=False)
