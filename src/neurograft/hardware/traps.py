"""Known ways in which a machine or an installation is slower, or fails sooner, than it need."""

from dataclasses import dataclass

from neurograft.hardware.facts import MachineFacts

LITTLE_MEMORY_GIB = 8.0
MANY_CORES = 32
"""Beyond about so many, threads of one convolution mostly wait for each other."""


@dataclass(frozen=True)
class Trap:
    """Something to know.

    Attributes:
        problem: what is the matter.
        mend: what to do.
    """

    problem: str
    mend: str


def known_traps(facts: MachineFacts) -> list[Trap]:
    """Those that this machine or installation has."""
    traps = []
    torch = facts.versions.get("torch", "")
    if torch.startswith("2.9."):
        traps.append(Trap(f"PyTorch {torch} is slow at 3D convolutions in mixed precision", "Install another 2.x"))
    if facts.threads > facts.cores:
        traps.append(
            Trap(
                f"PyTorch uses {facts.threads} threads, and this process may use {facts.cores:g} cores",
                f"Set OMP_NUM_THREADS={max(1, int(facts.cores))}",
            )
        )
    elif facts.threads < int(facts.cores) and facts.threads < MANY_CORES:
        traps.append(
            Trap(
                f"PyTorch uses {facts.threads} of {facts.cores:g} cores",
                "Unset OMP_NUM_THREADS, or give other work the rest on purpose",
            )
        )
    if facts.memory_gib < LITTLE_MEMORY_GIB:
        traps.append(
            Trap(
                f"{facts.memory_gib:.1f} GiB of memory: whole-brain training with large patches will not fit",
                "Take smaller sampling.patch_size and batch_size, and predict with --memory",
            )
        )
    if facts.accelerators and torch.endswith("+cpu"):
        traps.append(Trap("there is a GPU, and PyTorch is a build for the CPU", "Install PyTorch with CUDA"))
    if not facts.accelerators and "openvino" not in facts.versions:
        traps.append(Trap("OpenVINO is absent, so prediction runs on PyTorch", "Run: pip install openvino"))
    return traps
