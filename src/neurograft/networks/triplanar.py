"""The tri-planar patch network of P5: a class for one voxel, from three slices through it."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from neurograft.imaging.context import Context
from neurograft.networks.triplanar_dense import dense_features, dense_trunk
from neurograft.networks.triplanar_layers import ConvolutionLevel, DenseLayer
from neurograft.networks.units import Unit, UnitNetwork

PLANES = {"axial": 2, "coronal": 1, "sagittal": 0}
"""The branches and, of each, the array axis across its plane, for volumes whose axes run as in "RAS"."""
SIDE = 32
"""Voxels along both axes of a patch."""
MIDDLE = 16
"""Index of the voxel that a patch answers for: the side is even, so one more lies before than after."""
CONVOLUTIONS = (2, 2, 1)
"""Convolutions of each level, with a 2 x 2 max-pooling between levels: sides 32, 28 | 14, 10 | 5, 3."""
LAST_SIDE = 3


class TriplanarNetwork(UnitNetwork):
    """Three 2D branches, axial, coronal and sagittal, joined with a prior by dense layers.

    Each branch reads a patch of 32 x 32 voxels and gives 180 features; the three go through a dense
    layer of 540, the prior's probabilities at the voxel join them, and two more dense layers end in one
    output a class. The network answers for a block of any size: in training for single voxels, in
    evaluation for larger blocks at once, with the same result (see `triplanar_dense`).

    Units: ``axial_conv1``, ``coronal_conv1``, ``sagittal_conv1``, the same for levels 2 and 3 (encoder);
    ``axial_dense``, ``coronal_dense``, ``sagittal_dense`` and ``trunk1`` (bottleneck), ``trunk2``
    (decoder), which reads the prior, and ``head``.

    Args:
        in_channels: image channels.
        out_channels: outputs per voxel.
        prior_channels: of the prior, which come after the image's; P5 has 15, and 0 is without, where
            ``trunk2`` reads 540 features instead of 555.
        channels: of the convolutions, level by level.
        dense_channels: features of each branch, of ``trunk1`` and of ``trunk2``.
        dropout: share of features left out in training, after the convolutions, after the branches are
            joined and after ``trunk1``; P5's code has 0.3 (Keras) or 0.5 (Theano).

    Reference:
        Kushibar et al. 2019 (P5), network; layers' widths, kernels and dropout from its public code. The
        slope of the PReLUs is one a channel (its Theano code), not one a feature (its Keras code), which
        alone can be run over larger blocks.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        prior_channels: int = 0,
        channels: tuple[int, ...] = (20, 40, 60),
        dense_channels: tuple[int, int, int] = (180, 540, 270),
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        self.image_channels = in_channels
        self.prior_channels = prior_channels
        self.in_channels = in_channels + prior_channels
        self.stride = (1, 1, 1)
        self.context = Context((MIDDLE,) * 3, (SIDE - MIDDLE - 1,) * 3, "zero")
        self.reads_planes = True
        self.dropout = dropout
        self.levels = len(CONVOLUTIONS)
        units = []
        sources = (in_channels, *channels)
        for level, count in enumerate(CONVOLUTIONS):
            for plane in PLANES:
                name = f"{plane}_conv{level + 1}"
                self.add_module(name, ConvolutionLevel(sources[level], channels[level], count))
                units.append(Unit(name, "encoder", level))
        self.stem_weights = tuple(f"{plane}_conv1.conv1.weight" for plane in PLANES)
        branch, first, second = dense_channels
        for plane in PLANES:
            self.add_module(f"{plane}_dense", DenseLayer(channels[-1] * LAST_SIDE**2, branch))
            units.append(Unit(f"{plane}_dense", "bottleneck", self.levels))
        self.trunk1 = DenseLayer(len(PLANES) * branch, first)
        self.trunk2 = DenseLayer(first + prior_channels, second)
        self.head = nn.Linear(second, out_channels)
        self.prior_weights = ("trunk2.linear.weight",)
        units += [Unit("trunk1", "bottleneck", self.levels), Unit("trunk2", "decoder", self.levels)]
        units.append(Unit("head", "head", self.levels))
        self.units = tuple(units)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, a=0.25)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, image: Tensor, wanted: Tensor | None = None) -> Tensor:
        """Logits of a block, or of single voxels.

        Args:
            image: (N, C, D + 31, H + 31, W + 31), image channels before the prior's; or the three planes
                through single voxels, (N, C, 3, 32, 32), as `cut_planes` gives them.
            wanted: bool (N, D, H, W), the voxels of blocks that are to be answered for; ``None`` for all.

        Returns:
            (N, K, D, H, W), 0 where nothing is wanted; (N, K, 1, 1, 1) for planes.

        Raises:
            ValueError: a block of more than one voxel while training, where norms and dropout would make
                another network of it.
        """
        if image.shape[2] == len(PLANES):
            return self._of_planes(image)
        answer = self._answer(image)
        if answer == (1, 1, 1):
            return self._of_planes(cut_planes(image))
        if self.training:
            raise ValueError(f"the tri-planar network is trained on single voxels, not on blocks of {answer}")
        if wanted is None:
            wanted = torch.ones((len(image), *answer), dtype=torch.bool, device=image.device)
        return torch.stack([self._of_block(block, where) for block, where in zip(image, wanted, strict=True)])

    def joined_features(self, planes: Tensor) -> Tensor:
        """What ``trunk2`` reads of each voxel: (N, 540 + prior channels).

        Args:
            planes: (N, C, 3, 32, 32).

        Reference:
            P5 looks at these 555 features of two cohorts by t-SNE.
        """
        found = []
        for number, plane in enumerate(PLANES):
            x = planes[:, : self.image_channels, number]
            for level in range(1, self.levels + 1):
                if level > 1:
                    x = functional.max_pool2d(x, 2)
                x = self.get_submodule(f"{plane}_conv{level}")(x)
            found.append(self.get_submodule(f"{plane}_dense")(self._dropped(x).flatten(1)))
        joined = self._dropped(self.trunk1(self._dropped(torch.cat(found, dim=1))))
        return torch.cat([joined, planes[:, self.image_channels :, 0, MIDDLE, MIDDLE]], dim=1)

    def _of_planes(self, planes: Tensor) -> Tensor:
        return self.head(self.trunk2(self.joined_features(planes)))[:, :, None, None, None]

    def _of_block(self, block: Tensor, wanted: Tensor) -> Tensor:
        branches = []
        for plane, axis in PLANES.items():
            levels = [self.get_submodule(f"{plane}_conv{level}") for level in range(1, self.levels + 1)]
            branches.append((axis, levels, self.get_submodule(f"{plane}_dense")))
        features = dense_features(
            block[: self.image_channels],
            branches,  # type: ignore[arg-type]
            MIDDLE,
            SIDE - MIDDLE - 1,
            wanted,
        )
        inside = tuple(slice(MIDDLE, MIDDLE + length) for length in wanted.shape)
        prior = block[(slice(self.image_channels, None), *inside)][:, wanted]
        logits = dense_trunk(features, prior, (self.trunk1, self.trunk2, self.head))
        whole = logits.new_zeros((len(logits), *wanted.shape))
        whole[:, wanted] = logits
        return whole

    def _answer(self, image: Tensor) -> tuple[int, int, int]:
        first, second, third = (length - SIDE + 1 for length in image.shape[2:])
        return first, second, third

    def _dropped(self, features: Tensor) -> Tensor:
        return functional.dropout(features, self.dropout, self.training)


def cut_planes(blocks: Tensor) -> Tensor:
    """The three planes through the middle voxel of blocks: (N, C, 32, 32, 32) to (N, C, 3, 32, 32)."""
    return torch.stack([blocks.select(axis + 2, MIDDLE) for axis in PLANES.values()], dim=2)
