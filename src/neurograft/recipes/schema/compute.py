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
