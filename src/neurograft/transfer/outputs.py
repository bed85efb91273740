"""Names of a head's rows, by what the network was trained for."""

from collections.abc import Sequence

from neurograft.recipes.schema import TaskConfig
from neurograft.transfer.loading import output_names


def head_rows(task: TaskConfig, labels: Sequence[str], channels: Sequence[str]) -> tuple[str, ...]:
    """Names of the rows: labels where voxels get labels, the image's channels where it is given back.

    A row moves between models by its name. One that stands for an intensity, or for the presence of a label in
    a patch, has a name that no label of voxels has, so that it never moves into one.

    Args:
        task: the recipe's section.
        labels: names of the labels.
        channels: names of the image channels.

    Raises:
        InputError: a label has the name of the softmax's own row.

    Example:
        >>> head_rows(TaskConfig(kind="autoencoding"), ["hippocampus"], ["T1w"])
        ('intensity of T1w',)
    """
    if task.reconstructs:
        return tuple(f"intensity of {channel}" for channel in channels)
    if task.kind == "classification":
        return tuple(f"presence of {label}" for label in labels)
    return output_names(labels, task.output)
