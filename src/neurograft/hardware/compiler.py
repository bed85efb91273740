"""PyTorch's compiler, for training steps."""

import os
from collections.abc import Callable

import torch
from torch import Tensor

from neurograft.networks import UnitNetwork
from neurograft.outputs import cache_folder


def outputs_of(network: UnitNetwork, compiled: bool) -> Callable[[Tensor], dict[str, Tensor]]:
    """What maps images to a network's outputs: its own function, or that function compiled.

    The weights stay those of the network. The compiler keeps what it made, which later processes read and run: not in
    the system's folder for temporary files, where others could lay something under its name, but in the user's cache.
    """
    if not compiled:
        return network.outputs
    if not os.environ.get("TORCHINDUCTOR_CACHE_DIR"):
        folder = cache_folder() / "compiled"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(folder)
    return torch.compile(network.outputs)
