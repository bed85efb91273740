"""The encoder of ResNet-50 for slices, with the tensor names of torchvision's, so that its weights fit.

The names below a unit are torchvision's; `torchvision_name` says which of its tensors a tensor of ours is.
"""

from torch import Tensor, nn

EXPANSION = 4
"""Channels of a block's output, as a multiple of its narrow part's."""
BLOCKS = {"layer1": (3, 64), "layer2": (4, 128), "layer3": (6, 256), "layer4": (3, 512)}
"""Blocks and narrow channels of each layer of ResNet-50."""
STEM_CHANNELS = 64
RESNET50_CHANNELS = (STEM_CHANNELS, *(width * EXPANSION for _, width in BLOCKS.values()))
"""Features of the stem and the four layers, at 1/2, 1/4, 1/8, 1/16 and 1/32 of the input's size."""


def narrowed(channels: int, stem_channels: int) -> int:
    """Channels of a part of ResNet-50 whose stem has not 64 but `stem_channels`."""
    return channels * stem_channels // STEM_CHANNELS


class ResNetStem(nn.Module):
    """7x7 convolution of stride 2, batch norm and ReLU.

    Args:
        in_channels: of the slices, neighbours included; 3 fit ImageNet's colours.
        stem_channels: 64 in ResNet-50.
    """

    def __init__(self, in_channels: int, stem_channels: int = STEM_CHANNELS) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, stem_channels, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(stem_channels)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map (M, C, A, B) to (M, 64, A/2, B/2)."""
        return self.relu(self.bn1(self.conv1(x)))


class BottleneckBlock(nn.Module):
    """1x1, 3x3 and 1x1 convolutions with batch norms, added to a shortcut.

    Args:
        in_channels: of the input.
        width: of the two narrow convolutions; the output has four times as many.
        stride: of the 3x3 convolution and of the shortcut.

    Reference:
        He, Zhang, Ren, Sun 2016, "Deep residual learning for image recognition", figure 5. The stride lies on
        the 3x3 convolution, as in torchvision, not on the first, as in the paper.
    """

    def __init__(self, in_channels: int, width: int, stride: int) -> None:
        super().__init__()
        out_channels = EXPANSION * width
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False), nn.BatchNorm2d(out_channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map (M, C_in, A, B) to (M, 4 * width, A/stride, B/stride)."""
        changed = self.relu(self.bn1(self.conv1(x)))
        changed = self.relu(self.bn2(self.conv2(changed)))
        changed = self.bn3(self.conv3(changed))
        return self.relu(changed + (x if self.downsample is None else self.downsample(x)))


def resnet50_layers(stem_channels: int = STEM_CHANNELS) -> dict[str, nn.Sequential]:
    """The four layers by name, from fine to coarse; a 3x3 max-pooling of stride 2 goes before the first.

    Args:
        stem_channels: 64 in ResNet-50; with fewer, all layers are narrower by the same factor.
    """
    layers = {}
    source = stem_channels
    for name, (blocks, full_width) in BLOCKS.items():
        width = narrowed(full_width, stem_channels)
        strides = [1 if name == "layer1" else 2, *[1] * (blocks - 1)]
        parts = []
        for stride in strides:
            parts.append(BottleneckBlock(source, width, stride))
            source = EXPANSION * width
        layers[name] = nn.Sequential(*parts)
    return layers


def torchvision_name(tensor_name: str) -> str | None:
    """The name in torchvision's ResNet of a tensor of an encoder made of these parts; None for others.

    Example:
        >>> torchvision_name("stem.conv1.weight"), torchvision_name("layer3.0.bn2.bias")
        ('conv1.weight', 'layer3.0.bn2.bias')
    """
    unit, _, rest = tensor_name.partition(".")
    if unit == "stem":
        return rest
    return tensor_name if unit in BLOCKS else None
