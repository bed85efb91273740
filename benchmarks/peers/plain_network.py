"""nnU-Net's plain U-Net with the weights that benchmarks/prediction.py made, for whichever peer predicts with it."""

import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet
from torch import nn


def plain_network(folder: str) -> tuple[nn.Module, int]:
    """The network of a folder's weights.pt, and its number of classes."""
    saved = torch.load(f"{folder}/weights.pt", weights_only=True)
    channels, classes = saved["channels"], saved["classes"]
    levels = len(channels)
    network = PlainConvUNet(
        1, levels, channels, nn.Conv3d, 3, [1] + [2] * (levels - 1), 2, classes, 2,
        conv_bias=True, norm_op=nn.InstanceNorm3d, norm_op_kwargs={"eps": 1e-5, "affine": True},
        nonlin=nn.LeakyReLU, nonlin_kwargs={"inplace": True}, deep_supervision=False,
    )  # fmt: skip
    state = network.state_dict()
    for key in state:
        # The decoder holds the encoder once more, and each layer its modules twice.
        plain = key.removeprefix("decoder.") if key.startswith("decoder.encoder.") else key
        plain = plain.replace("all_modules.0", "conv").replace("all_modules.1", "norm")
        state[key] = saved["state"][plain]
    network.load_state_dict(state)
    return network.eval(), classes
