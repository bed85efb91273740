"""Networks, one architecture a file, each an ordered list of named units."""

from neurograft.networks.registry import NETWORKS, build_network
from neurograft.networks.units import Role, Unit, UnitNetwork, unit_of

__all__ = ["NETWORKS", "Role", "Unit", "UnitNetwork", "build_network", "unit_of"]
