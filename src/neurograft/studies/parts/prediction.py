"""A prediction on many scans in parts: each part segments its own, and one process puts the tables together."""

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

import neurograft
from neurograft.cohorts import Case
from neurograft.errors import InputError
from neurograft.inference.engines import PLAIN_TORCH, EngineRequest, choose_engine
from neurograft.inference.run import (
    PredictionRequest,
    Progress,
    SegmentedCases,
    open_segmenter,
    predict_cohort,
    segment_cases,
)
from neurograft.inference.segmenting import Segmenter
from neurograft.models import Bundle, open_bundle
from neurograft.outputs import atomic_file, write_json
from neurograft.recipes.schema import Recipe
from neurograft.studies.cells.kinds import CellContext
from neurograft.studies.executors.base import Executor
from neurograft.studies.parts.plain import from_plain, to_plain
from neurograft.studies.parts.spreading import Spread, divided, readable_file_states

FILES, ROWS = "files", "rows.json"
"""In a part: masks and what goes with them, and its rows of the tables."""
TABLES = ("trust.tsv", "ages.tsv")
"""Tables that grow case by case; of several parts they are one after the other."""


def predict_in_parts(
    request: PredictionRequest, executor: Callable[[Path], Executor], progress: Progress | None = None
) -> pd.DataFrame:
    """Segment many scans on an executor; the files are those of `predict_cohort`.

    An engine that the machine may choose is chosen here, once: parts that chose for themselves might differ.
    An interrupted prediction goes on with the parts that are missing, whatever runs them then.

    Args:
        request: models, scans and output. All workers must see them under these paths.
        executor: starts what runs the cells of a folder.
        progress: called with parts done and in all.

    Raises:
        InputError: as `predict_cohort`.
    """
    request = _with_named_engine(request)
    spread = Spread.beside(request.out, executor)
    frame = predict_cohort(request, progress, partial(_segment_in_parts, spread=spread))
    spread.clear()
    return frame


def predict_part(context: CellContext) -> dict[str, Any]:
    """The cell that segments the scans of one part."""
    spec = context.cell.spec
    common, own = context.folder.block(spec["request"]), context.folder.block(spec["part"])
    files = context.output / FILES
    files.mkdir(exist_ok=True)
    request = PredictionRequest(
        bundles=[_bundle(entry) for entry in common["models"]],
        scans=replace(from_plain(common["scans"]), cases=tuple(from_plain(own["cases"]))),
        out=files,
        keep_probabilities=common["keep_probabilities"],
        device=common["device"],
        locator=None if common["locator"] is None else _bundle(common["locator"]),
        engines=EngineRequest(*common["engines"]),
        memory_mib=common["memory_mib"],
        overlays=common["overlays"],
    )
    found = segment_cases(request, open_segmenter(request, len(request.scans.cases)), files)
    write_json(context.output / ROWS, to_plain(found.results))
    return {"cases": len(found.results), "engines": found.engines}


def _segment_in_parts(
    request: PredictionRequest, segmenter: Segmenter, folder: Path, progress: Progress | None, spread: Spread
) -> SegmentedCases:
    scans = request.scans
    common = {
        "models": [_named(bundle) for bundle in request.bundles],
        "locator": None if request.locator is None else _named(request.locator),
        "scans": to_plain(replace(scans, cases=())),
        "keep_probabilities": request.keep_probabilities,
        "device": request.device,
        "engines": [request.engines.engine, request.engines.precision],
        "memory_mib": request.memory_mib,
        "overlays": request.overlays,
        "neurograft": neurograft.__version__,
    }
    parts = [
        {
            "cases": to_plain(list(map(_absolute, cases))),
            "files": readable_file_states(path for c in cases for path in _paths(c)),
        }
        for cases in divided(scans.cases)
    ]
    finished = spread.run("predict-part", common, parts, progress)
    results = []
    for part in finished:
        results += from_plain(json.loads((part / ROWS).read_text("utf-8")))
        for file in (part / FILES).rglob("*"):
            if file.is_file() and file.name not in TABLES:
                _link(file, folder / file.relative_to(part / FILES))
    for name in TABLES:
        _join([part / FILES / name for part in finished], folder / name)
    engines = [json.loads((part / "result.json").read_text("utf-8"))["engines"] for part in finished]
    return SegmentedCases(results, next(filter(None, engines), []))


def _with_named_engine(request: PredictionRequest) -> PredictionRequest:
    wanted = request.engines
    if wanted.engine != "auto" and wanted.precision != "auto":
        return request
    segmenter = open_segmenter(request, len(request.scans.cases))
    runners = segmenter.runners
    found = [
        choose_engine(bundle, network, segmenter.task, window, wanted).engine
        for bundle, network, window in zip(request.bundles, runners.networks, runners.windows, strict=True)
    ]
    kinds = {(engine.name, engine.precision) for engine in found}
    return replace(request, engines=EngineRequest(*kinds.pop()) if len(kinds) == 1 else PLAIN_TORCH)


def _named(bundle: Bundle) -> dict[str, Any]:
    return {
        "path": str(bundle.path.resolve()),
        "weights": bundle.info.weights_sha256,
        "recipe": bundle.info.recipe.model_dump(mode="json"),
    }


def _bundle(entry: Mapping[str, Any]) -> Bundle:
    bundle = open_bundle(entry["path"])
    if bundle.info.weights_sha256 != entry["weights"]:
        raise InputError("the model has changed since the command began", "Repeat the command", bundle.path)
    recipe = Recipe.model_validate(entry["recipe"])
    return replace(bundle, info=bundle.info.model_copy(update={"recipe": recipe}))


def _paths(case: Case) -> list[Path | None]:
    return [*case.images.values(), case.label, case.mask, case.prior, case.reference_region]


def _absolute(case: Case) -> Case:
    """A case that another working directory finds too."""

    def found(path: Path | None) -> Path | None:
        return None if path is None else path.absolute()

    return replace(
        case,
        images={name: path.absolute() for name, path in case.images.items()},
        label=found(case.label),
        mask=found(case.mask),
        prior=found(case.prior),
        reference_region=found(case.reference_region),
    )


def _link(file: Path, target: Path) -> None:
    """The same file under another name, or a copy where the file system has no such thing; the part stays whole."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(file, target)
    except OSError:
        shutil.copy2(file, target)


def _join(tables: Sequence[Path], target: Path) -> None:
    """Write tables of one heading one after the other; nothing where there are none."""
    there = [table for table in tables if table.is_file()]
    if not there:
        return
    with atomic_file(target) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        for number, table in enumerate(there):
            with table.open(encoding="utf-8", newline="") as lines:
                heading = next(lines)
                if number == 0:
                    stream.write(heading)
                stream.writelines(lines)
