"""Rewrite the tables of ``docs/reference/networks.md`` from the networks themselves.

Run ``python docs/gen/networks.py`` after a change to a network or a paper's recipe; with ``--check``
the exit status says whether the page is up to date, and nothing is written. The networks are built
and run without weights or images, so only shapes are computed.
"""

import re
from pathlib import Path

import torch
from page_rewriting import rewrite_page
from torch import Tensor

from neurograft.networks import UnitNetwork, build_network
from neurograft.recipes import load_recipe

PAGE = Path(__file__).parents[1] / "reference" / "networks.md"
BLOCK = re.compile(r"(<!-- network: (?P<name>[\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)

ENDS = {
    "p1-lc": (1, 1),
    "p2-source": (1, 2),
    "p2-target": (1, 3),
    "p3-neonatal": (2, 10),
    "p3-neonatal-age": (2, 10),
    "p3-neonatal-code": (2, 10),
    "p4-segmentation": (1, 4),
    "p4-classification": (1, 16),
    "p5-subcortical": (1, 15),
}
"""Input channels and output rows of each recipe in its paper."""

PRIOR_CHANNELS = {"p5-subcortical": 15}
"""Channels of an atlas beside the image's."""


def unit_shapes(network: UnitNetwork, image: Tensor) -> dict[str, str]:
    """What each unit gives out, as text."""
    shapes: dict[str, str] = {}

    def keep(name: str, output: Tensor) -> None:
        shapes[name] = " x ".join(map(str, output.shape[1:])) or "1"

    for unit in network.units:
        module = network.unit_module(unit.name)
        module.register_forward_hook(lambda _, __, output, name=unit.name: keep(name, output))
    network.outputs(image)
    return shapes


def network_table(name: str) -> str:
    """A Markdown table of a recipe's network: a row a unit, and the sum."""
    recipe = load_recipe(name)
    channels, outputs = ENDS[name]
    with torch.device("meta"):
        prior = PRIOR_CHANNELS.get(name, 0)
        network = build_network(recipe.network, channels + prior, outputs, seed=0, prior_channels=prior).eval()
        shapes = unit_shapes(
            network, torch.empty(1, channels + prior, *network.context.block(recipe.sampling.patch_size))
        )
    size = " x ".join(map(str, recipe.sampling.patch_size))
    rows = [
        f"`{recipe.network.name}`, {channels} image channel{'s' * (channels > 1)}, {outputs} output"
        f"{'s' * (outputs > 1)}, patch of {size} voxels:",
        "",
        "| unit | role | depth | output (channels x voxels) | parameters |",
        "|---|---|---:|---|---:|",
    ]
    total = 0
    for unit in network.units:
        count = sum(parameter.numel() for parameter in network.unit_module(unit.name).parameters())
        total += count
        rows.append(f"| `{unit.name}` | {unit.role} | {unit.depth} | {shapes[unit.name]} | {count:,} |")
    return "\n".join([*rows, f"| all | | | | {total:,} |"]) + "\n"


def rewritten(page: str) -> str:
    """The page with every table made anew.

    Raises:
        KeyError: the page names a recipe that has no entry in `ENDS`.
    """
    return BLOCK.sub(lambda match: f"{match[1]}\n{network_table(match['name'])}\n{match[3]}", page)


if __name__ == "__main__":
    raise SystemExit(rewrite_page(PAGE, rewritten))
