"""Transfer: strategies over units, the loading report, adapters, and what learns."""

from neurograft.transfer.adapters import attach_adapters, merge_adapters
from neurograft.transfer.averaging import average_with_source
from neurograft.transfer.encoder_weights import load_encoder_weights, with_encoder_rows
from neurograft.transfer.folding import Folding
from neurograft.transfer.learning import (
    frozen_tensor_names,
    optimiser_groups,
    parameter_parts,
    set_learning,
    source_pull,
)
from neurograft.transfer.loading import (
    BACKGROUND,
    LoadingReport,
    NetworkSide,
    TensorRow,
    load_source,
    output_names,
    require_trainable_outputs,
    source_anchor,
)
from neurograft.transfer.outputs import head_rows
from neurograft.transfer.row_starts import row_starts
from neurograft.transfer.rules import TransferPlan, UnitRule
from neurograft.transfer.strategies import STRATEGIES, plan_transfer

__all__ = [
    "BACKGROUND",
    "STRATEGIES",
    "Folding",
    "LoadingReport",
    "NetworkSide",
    "TensorRow",
    "TransferPlan",
    "UnitRule",
    "attach_adapters",
    "average_with_source",
    "frozen_tensor_names",
    "head_rows",
    "load_encoder_weights",
    "load_source",
    "merge_adapters",
    "optimiser_groups",
    "output_names",
    "parameter_parts",
    "plan_transfer",
    "require_trainable_outputs",
    "row_starts",
    "set_learning",
    "source_anchor",
    "source_pull",
    "with_encoder_rows",
]
