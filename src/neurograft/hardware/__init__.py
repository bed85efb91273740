"""What this machine can do, measured."""

from neurograft.hardware.machine import describe_machine
from neurograft.hardware.memory import peak_memory_mib
from neurograft.hardware.probe import ComputeChoice, choose_compute

__all__ = ["ComputeChoice", "choose_compute", "describe_machine", "peak_memory_mib"]
