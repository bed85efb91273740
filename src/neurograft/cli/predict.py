"""``neurograft predict``: masks and volumes for new scans."""

from pathlib import Path
from typing import Annotated

import typer

from neurograft.cli.executors import ClusterOption, PartsExecutorOption, executor_of
from neurograft.cli.options import (
    BidsOption,
    JsonOption,
    OutOption,
    OverridesArgument,
    OverwriteOption,
    PartsWorkersOption,
    Selection,
    SubjectsOption,
    WhereOption,
    chosen,
    read_pairs,
)

THREADS, MEMORY_MIB = 1, 4000
"""Of a worker, where scans are segmented in parts."""


def predict(
    model: Annotated[
        list[Path],
        typer.Option(
            help="A model, such as runs/mine, or builtin:NAME where it is there; several are averaged.",
            show_default=False,
        ),
    ],
    input_: Annotated[
        Path, typer.Option("--input", help="A scan, a folder of scans, or a cohort.", show_default=False)
    ],
    out: OutOption,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Write a probability map a label too.")
    ] = False,
    locator: Annotated[
        Path | None,
        typer.Option(
            help="A model that finds the region to segment, for inference.region=predicted.", show_default=False
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or mps.")] = "cpu",
    engine: Annotated[
        str, typer.Option(help="What runs the model: auto (the fastest that agrees), torch, openvino or onnx.")
    ] = "auto",
    precision: Annotated[
        str, typer.Option(help="auto (bf16 where it is faster and the masks agree), fp32, bf16, or int8 on CPUs.")
    ] = "auto",
    memory: Annotated[
        float | None,
        typer.Option(min=1, help="Most memory for merged probabilities, in MiB.", show_default=False),
    ] = None,
    overlays: Annotated[
        bool, typer.Option("--overlays/--no-overlays", help="Draw each scan with its mask on it.")
    ] = True,
    executor: PartsExecutorOption = None,
    workers: PartsWorkersOption = None,
    cluster: ClusterOption = "local",
    subjects: SubjectsOption = None,
    where: WhereOption = None,
    bids: BidsOption = None,
    overwrite: OverwriteOption = False,
    json: JsonOption = False,
    overrides: OverridesArgument = None,
) -> None:
    """Segment scans with one model, or with several whose probabilities are averaged.

    Masks lie on the scans' own grids. Overrides may set inference.* and postprocessing.* keys:
    inference.region=predicted segments a box that a coarse pass has found. inference.region=oracle
    cuts it around the true structure, which needs labels, and every result says so. With --executor the
    scans are segmented in parts, side by side or on a cluster, and the files are the same.
    """
    from dataclasses import replace

    from neurograft.cli.display import progress_bar, show_json, show_table
    from neurograft.cohorts import open_scans
    from neurograft.errors import InputError
    from neurograft.inference.engines import EngineRequest
    from neurograft.inference.region_files import region_facts
    from neurograft.inference.run import PredictionRequest, predict_cohort
    from neurograft.inference.trust_table import suspect_cases
    from neurograft.models import Bundle, open_bundle
    from neurograft.recipes.loading import override_recipe

    engines = EngineRequest(
        chosen("--engine", engine, EngineRequest, "engine"),
        chosen("--precision", precision, EngineRequest, "precision"),
    )
    for text in overrides or ():
        if text.partition(".")[0] not in ("inference", "postprocessing"):
            raise InputError(
                f"override {text!r} does not concern prediction", "Set inference.* or postprocessing.* keys here"
            )

    texts = list(overrides or ())
    region_given = any(text.partition("=")[0].strip() == "inference.region" for text in texts)
    if locator is not None and not region_given:
        # A locator can only mean that.
        texts.append("inference.region=predicted")
        region_given = True

    def overridden(bundle: Bundle) -> Bundle:
        recipe = override_recipe(bundle.info.recipe.model_dump(mode="json"), texts)
        return replace(bundle, info=bundle.info.model_copy(update={"recipe": recipe}))

    bundles = [overridden(open_bundle(path)) for path in model]
    if bundles[0].info.recipe.inference.region == "oracle" and not region_given:
        raise InputError(
            "this model's recipe cuts images around the true structure (inference.region: oracle)",
            "Say inference.region=oracle to do that here too, or inference.region=predicted or whole",
            bundles[0].path,
        )
    selection = Selection(subjects, where, bids)
    scans = selection.choose(open_scans(input_, bundles[0].info.channels, read_pairs(bids, "--bids", "KEY=VALUE")))
    with progress_bar("Segmenting") as progress:
        finder = None if locator is None else open_bundle(locator)
        request = PredictionRequest(
            bundles, scans, out, probabilities, overwrite, device, finder, engines, memory, overlays
        )
        if executor is None:
            volumes = predict_cohort(request, progress)
        else:
            from neurograft.studies.parts.prediction import predict_in_parts

            start, _ = executor_of(executor, cluster, workers, THREADS, MEMORY_MIB, device)
            volumes = predict_in_parts(request, start, progress)
    if json:
        show_json({"out": str(out), "cases": len(scans), "volumes": volumes.to_dict("records")})
        return
    mean = volumes.groupby("label", sort=False)["volume_mm3"].agg(["mean", "std", "min", "max", "count"])
    rows = [
        (label, *row.tolist()[:4], int(row["count"]), int((volumes[volumes["label"] == label]["voxels"] == 0).sum()))
        for label, row in mean.iterrows()
    ]
    columns = ("label", "mean mm³", "SD", "smallest", "largest", "n", "empty masks")
    show_table(f"{len(scans)} scans segmented into {out}", columns, rows)
    suspects = suspect_cases(out)
    if suspects:
        typer.echo(f"Look at {len(suspects)} of {len(scans)} masks first: {', '.join(suspects)} (see trust.tsv)")
    for name, fact in region_facts(out).items():
        typer.echo(f"{name}: {fact}")
