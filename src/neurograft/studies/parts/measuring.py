"""An evaluation of many cases in parts: each part reads and measures its own, and one process makes the tables."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import neurograft
from neurograft.outputs import write_json
from neurograft.scoring.measuring import CaseMeasures
from neurograft.scoring.options import ScoringOptions
from neurograft.scoring.pairing import Pair
from neurograft.scoring.reading import LabelTables
from neurograft.scoring.run import Progress, measure_pair
from neurograft.studies.cells.kinds import CellContext
from neurograft.studies.parts.plain import from_plain, to_plain
from neurograft.studies.parts.spreading import Spread, divided, readable_file_states

MEASURES = "measures.json"
"""In a part: what was measured of its cases."""


def measure_part(context: CellContext) -> dict[str, Any]:
    """The cell that measures the cases of one part."""
    spec = context.cell.spec
    common, own = context.folder.block(spec["request"]), context.folder.block(spec["part"])
    tables, options = from_plain(common["tables"]), from_plain(common["options"])
    measured = [measure_pair(pair, tables, options, threads=1) for pair in from_plain(own["pairs"])]
    write_json(context.output / MEASURES, to_plain(measured))
    return {"cases": len(measured)}


def measure_in_parts(
    spread: Spread, pairs: Sequence[Pair], tables: LabelTables, options: ScoringOptions, progress: Progress | None
) -> Iterator[CaseMeasures]:
    """What `neurograft.scoring.run.score_files` wants of its ``measure``, on an executor.

    Args:
        spread: where the parts lie, and what runs them.
        pairs: files, which all workers must see under these paths.
        tables: label values on either side.
        options: what to measure.
        progress: called with parts done and in all.

    Raises:
        InputError: unreadable files, or different grids.
    """
    # How many processes measure is the executor's concern, and must not give other names to the same parts.
    common = {
        "tables": to_plain(tables),
        "options": to_plain(replace(options, workers=1)),
        "neurograft": neurograft.__version__,
    }
    parts = [
        {
            "pairs": to_plain(list(map(_absolute, some))),
            "files": readable_file_states(path for p in some for path in _paths(p)),
        }
        for some in divided(pairs)
    ]
    for part in spread.run("measure-part", common, parts, progress):
        yield from from_plain(json.loads((part / MEASURES).read_text("utf-8")))


def _paths(pair: Pair) -> list[Path | None]:
    return [pair.reference, pair.prediction, pair.image, pair.reference_region, *pair.raters.values()]


def _absolute(pair: Pair) -> Pair:
    """A pair that another working directory finds too."""
    return replace(
        pair,
        reference=pair.reference.absolute(),
        prediction=None if pair.prediction is None else pair.prediction.absolute(),
        image=None if pair.image is None else pair.image.absolute(),
        reference_region=None if pair.reference_region is None else pair.reference_region.absolute(),
        raters={name: path.absolute() for name, path in pair.raters.items()},
    )
