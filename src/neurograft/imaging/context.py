"""What a network must see around the block of voxels that it answers for.

Networks that keep the size of their input need nothing around it. One that reads neighbouring slices,
or a whole patch for a single voxel, answers for a smaller block than it reads: the difference is its
context. Sizes of patches and windows are always those of the answer.
"""

from dataclasses import dataclass
from typing import Literal

Outside = Literal["minimum", "edge", "zero"]
"""What stands for voxels beyond the volume: each channel's smallest value (in a normalised brain image,
air; in a prior's channels, background), the nearest voxel of the volume, or zero."""

Extent = tuple[int, int, int]


@dataclass(frozen=True)
class Context:
    """Voxels read before and after a block, along each array axis.

    Attributes:
        before: on the side of smaller indices.
        after: on the other.
        outside: what stands for voxels beyond the volume, in the context and in blocks that reach out.
    """

    before: Extent = (0, 0, 0)
    after: Extent = (0, 0, 0)
    outside: Outside = "minimum"

    def block(self, answer: Extent) -> Extent:
        """The size that is read to answer for a block of size `answer`.

        Example:
            >>> Context(before=(16, 16, 16), after=(15, 15, 15)).block((1, 1, 1))
            (32, 32, 32)
        """
        first, second, third = (b + n + a for b, n, a in zip(self.before, answer, self.after, strict=True))
        return first, second, third

    @property
    def is_empty(self) -> bool:
        """Whether the answer is as large as what is read."""
        return not any(self.before) and not any(self.after)
