"""PyTorch as an engine: what every other one is compared with, and the one that runs anything anywhere."""

from dataclasses import dataclass

import torch
from torch import Tensor

from neurograft.inference.engines.interface import EngineName, Precision
from neurograft.networks import UnitNetwork


@dataclass(frozen=True, eq=False)
class TorchEngine:
    """The network itself, on the device where its weights lie.

    Args:
        network: in evaluation mode.
        precision: bf16 is mixed precision, by autocast.
    """

    network: UnitNetwork
    precision: Precision = "fp32"
    name: EngineName = "torch"

    def __call__(self, windows: Tensor, wanted: Tensor | None = None) -> Tensor:
        """Map windows (N, C, D, H, W) to logits (N, K, d, h, w) on the network's device.

        Only a network that reads planes saves anything by voxels that are not wanted.
        """
        device = next(self.network.parameters()).device
        with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            if wanted is not None and self.network.reads_planes:
                return self.network(windows.to(device), wanted.to(device)).float()
            return self.network(windows.to(device)).float()
