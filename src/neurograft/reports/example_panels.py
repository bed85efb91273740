"""The slices of cases to look at, with the words above and below them."""

from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup

from neurograft.reports.comparison import SliceExample
from neurograft.reports.number_text import decimal, named
from neurograft.reports.slice_figure import slice_figure
from neurograft.reports.slice_planes import PLANES, largest_slice, predicted_outside, shown_structure, view_of


@dataclass(frozen=True, eq=False)
class Panel:
    """A figure with the words beside it."""

    caption: str
    figure: Markup


@dataclass(frozen=True, eq=False)
class ExamplePanels:
    """The planes of one case with the words above and below them."""

    title: str
    facts: tuple[str, ...]
    panels: tuple[Panel, ...]
    remark: str


def example_panels(examples: Iterable[SliceExample]) -> list[ExamplePanels]:
    """Three planes of each case, each through the largest cross-section of its structure."""
    return [_example(example, number) for number, example in enumerate(examples)]


def _example(example: SliceExample, number: int) -> ExamplePanels:
    structure, view = shown_structure(example), view_of(example)
    panels = []
    for plane in PLANES:
        index = largest_slice(structure, plane.through)
        caption = f"{plane.name}, slice {index + 1} of {example.image.shape[plane.through]}"
        panels.append(Panel(caption, slice_figure(example, plane, index, view, f"slice-{number}-{plane.name}")))
    outside = predicted_outside(example, view)
    facts = (
        f"case {example.case}",
        f"strategy {example.strategy}" if example.strategy else "",
        f"Dice {decimal(example.dice)}",
        " and ".join(example.label_names) if len(example.label_names) < 3 else named(example.label_names),
        f"voxels {' × '.join(f'{side:.3g}' for side in example.spacing_mm)} mm",
    )
    return ExamplePanels(
        title=example.title,
        facts=tuple(filter(None, facts)),
        panels=tuple(panels),
        remark="".join(
            (
                "" if (example.truth > 0).any() else "The truth is empty here. ",
                "" if (example.prediction > 0).any() else "The prediction is empty here. ",
                f"{outside} predicted voxels lie outside the frames." if outside else "",
            )
        ).strip(),
    )
