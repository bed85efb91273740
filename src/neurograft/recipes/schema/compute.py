"""Recipe section ``compute``: what the machine does."""

from typing import Literal

from pydantic import PositiveInt

from neurograft.recipes.schema.base import Section


class ComputeConfig(Section):
    """What the machine does; ``auto`` leaves it to a short measurement, kept for the next time."""

    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """``bf16`` is mixed precision: weights stay in fp32."""
    channels_last: bool | Literal["auto"] = "auto"
    threads: PositiveInt | Literal["auto"] = "auto"
    compile: bool | Literal["auto"] = "auto"
    """Training steps by PyTorch's compiler; ``auto`` tries it where a training will take an hour or more."""
    devices: PositiveInt = 1
    """Processes of each machine that share every batch of one training, each with a GPU of its own where there are
    GPUs; ``sampling.batch_size`` is that of all together."""
    nodes: PositiveInt = 1
    """Machines."""
    strategy: Literal["ddp", "ddp_find_unused_parameters_true"] = "ddp"
    """Lightning's, for several processes; the second also serves networks of which a part has no say in the loss."""
