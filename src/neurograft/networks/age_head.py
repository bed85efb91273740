"""The side unit that reads a subject's age off the bottleneck."""

from typing import Literal

from torch import Tensor, nn

WIDTH_RATIO = 1.6
"""Channels of the head's convolutions, as a multiple of the bottleneck's: 512 for 320 in P3's code."""

CODE_SIDE = 4
"""Voxels along each axis of the bottleneck that the form ``code`` is made for."""


class AgeHead(nn.Module):
    """One number from the bottleneck's features (N, C, d, h, w).

    - ``paper``: convolutions down to one voxel, then a linear layer without activation. The paper
      prints neither their number nor their kernels: here two 3x3x3 convolutions of stride 2 with
      PReLU, which bring its 4 x 4 x 4 to one voxel, and a mean over what is left of larger ones.
    - ``code``: one 3x3x3 convolution without padding, PReLU, all values in one row, a linear layer
      and PReLU again; for a bottleneck of 4 x 4 x 4 voxels only.

    Args:
        in_channels: of the bottleneck.
        form: of the two above.

    Reference:
        Richter and Fetit 2022 (P3), AgeU-Net; what differs is the public code's.
    """

    def __init__(self, in_channels: int, form: Literal["paper", "code"]) -> None:
        super().__init__()
        width = round(WIDTH_RATIO * in_channels)
        self.form = form
        self.conv1 = nn.Conv3d(in_channels, width, 3, stride=2 if form == "paper" else 1, padding=int(form == "paper"))
        self.act1 = nn.PReLU()
        if form == "paper":
            self.conv2 = nn.Conv3d(width, width, 3, stride=2, padding=1)
            self.act2 = nn.PReLU()
            self.linear = nn.Linear(width, 1)
        else:
            self.linear = nn.Linear(width * (CODE_SIDE - 2) ** 3, 1)
            self.act_last = nn.PReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, d, h, w) to (N,), in the unit that the network was trained in.

        Raises:
            ValueError: a bottleneck that is not 4 x 4 x 4, for the form ``code``.
        """
        if self.form == "paper":
            x = self.act2(self.conv2(self.act1(self.conv1(x))))
            return self.linear(x.mean((2, 3, 4)))[:, 0]
        if tuple(x.shape[2:]) != (CODE_SIDE,) * 3:
            raise ValueError(f"the age head of P3's code takes a bottleneck of 4 x 4 x 4, got {tuple(x.shape[2:])}")
        return self.act_last(self.linear(self.act1(self.conv1(x)).flatten(1)))[:, 0]
