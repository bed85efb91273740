"""What this machine can do, measured."""

from neurograft.hardware.compiler import outputs_of
from neurograft.hardware.facts import MachineFacts, machine_facts
from neurograft.hardware.machine import describe_machine
from neurograft.hardware.memory import peak_memory_mib
from neurograft.hardware.probe import ComputeChoice, choose_compiling, choose_compute, step_seconds
from neurograft.hardware.traps import Trap, known_traps

__all__ = [
    "ComputeChoice",
    "MachineFacts",
    "Trap",
    "choose_compiling",
    "choose_compute",
    "describe_machine",
    "known_traps",
    "machine_facts",
    "outputs_of",
    "peak_memory_mib",
    "step_seconds",
]
