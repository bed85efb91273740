"""``neurograft study``: a protocol's grid of trainings, run, watched and answered."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from neurograft.cli.executors import ClusterOption, WorkersOption, executor_of
from neurograft.cli.options import JsonOption, read_pairs

if TYPE_CHECKING:
    from neurograft.studies.results import StudyResults

app = typer.Typer(help="Run a protocol's grid of trainings, and answer its question.", no_args_is_help=True)

StudyArgument = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the study.", show_default=False)]


@app.command("run")
def run(
    protocol: Annotated[str, typer.Argument(help="A shipped protocol's name, or a YAML file; study list names them.")],
    out: Annotated[
        Path, typer.Option("--out", help="Folder of the study; one that is there is continued.", show_default=False)
    ],
    data_root: Annotated[
        Path | None, typer.Option(help="Folder above the protocol's cohorts.", show_default=False)
    ] = None,
    cohort: Annotated[
        list[str] | None,
        typer.Option("--cohort", help="NAME=PATH: where a cohort of the protocol lies.", show_default=False),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List the cells and what they share, and estimate the time.")
    ] = False,
    probe: Annotated[
        bool, typer.Option(help="With --dry-run, try a few steps of each recipe to estimate the time.")
    ] = True,
    executor: Annotated[str, typer.Option(help="local (processes of this machine) or dask.")] = "local",
    workers: WorkersOption = None,
    cluster: ClusterOption = "local",
    json: JsonOption = False,
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Protocol overrides, such as 'seeds=[0,1]'.", show_default=False),
    ] = None,
) -> None:
    """Plan a study, run the cells that are missing, and write tables, answer and page.

    The same command continues a study that was cut off, and does only what is missing. The exit status
    is 1 when a cell failed.
    """
    from neurograft.cli.display import progress_bar, show_json, show_table
    from neurograft.studies.folder import StudyFolder
    from neurograft.studies.protocol import load_protocol
    from neurograft.studies.run import Places, draft_study, held, run_study

    chosen = load_protocol(protocol, overrides or ())
    places = Places(data_root, {name: Path(path) for name, path in read_pairs(cohort, "--cohort", "NAME=PATH").items()})
    with held(StudyFolder(out)), progress_bar("Reading cohorts") as progress:
        draft = draft_study(chosen, out, places, progress)
        if not dry_run:
            draft.keep(out)
    plan = draft.plan
    compute = chosen.compute
    start, count = executor_of(executor, cluster, workers, compute.threads, compute.memory_mib, compute.device)
    if dry_run:
        from neurograft.studies.estimate import estimate_study

        estimate = estimate_study(plan, draft.description["cohorts"], StudyFolder(out), count, probe)
        if json:
            show_json(estimate.to_dict())
            return
        columns, rows = estimate.rows()
        show_table(chosen.title, columns, rows)
        for sentence in estimate.sentences():
            typer.echo(sentence)
        return
    typer.echo(f"{len(plan.cells)} cells, {count} side by side", err=True)
    result = run_study(plan, out, lambda: start(out), _teller())
    results = _write_report(out)
    if json:
        show_json(
            {
                "out": str(out),
                "cells": len(plan.cells),
                "done": result.done,
                "kept": result.kept,
                "failed": result.failed,
                **_told(results),
            }
        )
    elif results is not None:
        _tell_answer(out, results)
    if result.failed:
        typer.echo(f"{len(result.failed)} of {len(plan.cells)} cells failed:", err=True)
        for identifier, error in list(result.failed.items())[:10]:
            typer.echo(f"  {plan.cells[identifier].title}: {error}", err=True)
        raise typer.Exit(1)


@app.command("status")
def status(study: StudyArgument, json: JsonOption = False) -> None:
    """Say how a study stands, from any machine that sees its folder, while it runs."""
    from dataclasses import asdict

    from neurograft.cli.display import show_json, show_table
    from neurograft.reports.number_text import duration
    from neurograft.studies.status import study_status

    found = study_status(study)
    if json:
        show_json({**asdict(found), "waiting": found.waiting})
        return
    left = "not known yet" if found.seconds_left is None else duration(found.seconds_left)
    rows = [
        ("cells", str(found.cells)),
        ("done", str(found.done)),
        ("running", str(len(found.running))),
        ("left by a worker that is gone", str(found.stalled)),
        ("waiting", str(found.waiting)),
        ("failed", str(len(found.failed))),
        ("time left", f"{left}, with {found.workers} side by side"),
    ]
    show_table(str(study), ("", ""), rows)
    for cell in found.running:
        typer.echo(f"running for {duration(cell.seconds)} on {cell.host}: {cell.title}")
    for failure in found.failed[:10]:
        typer.echo(f"failed: {failure.title}: {failure.error}")


@app.command("report")
def report(study: StudyArgument, json: JsonOption = False) -> None:
    """Write tables, answer and page from the cells that are finished."""
    from neurograft.cli.display import show_json

    results = _write_report(study)
    if json:
        show_json({"page": str(study / "results" / "report.html"), **_told(results)})
    elif results is not None:
        _tell_answer(study, results)
    else:
        typer.echo("- Nothing is scored yet.")


@app.command("labels")
def labels(
    study: StudyArgument,
    target: Annotated[float, typer.Option(help="What is to be reached.", show_default=False)],
    measure: Annotated[str, typer.Option(help="A measure of the study, or icc:QUANTITY of a biomarker.")] = "dice",
    label: Annotated[str | None, typer.Option(help="Structure.  [default: the mean]", show_default=False)] = None,
    method: Annotated[
        list[str] | None, typer.Option(help="Methods to ask about; all by default.", show_default=False)
    ] = None,
    have: Annotated[
        int | None, typer.Option(min=0, help="Labelled people there are already.", show_default=False)
    ] = None,
    minutes_per_scan: Annotated[
        float | None,
        typer.Option(min=0.0, show_default=False, help="Minutes of annotation a scan, for an answer in minutes too."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Say how many more labelled scans reach a target, from a study's own learning curves."""
    from neurograft.cli.display import show_json
    from neurograft.studies.answers.label_need import needs_of_study
    from neurograft.studies.folder import StudyFolder

    needs = needs_of_study(StudyFolder(study), target, measure, label, method or (), have, minutes_per_scan)
    if json:
        show_json([need.to_dict() for need in needs])
        return
    for need in needs:
        typer.echo(f"- {need.sentence()}")


@app.command("list")
def list_protocols() -> None:
    """List the protocols that ship with the package."""
    from neurograft.studies.protocol import load_protocol, protocol_names

    for name in protocol_names():
        typer.echo(f"{name}: {load_protocol(name).title}")


def _teller() -> Callable[[int, int, str], None]:
    """Tell of every cell on a terminal, else of each twentieth part of them."""
    import sys

    shown = -1
    everyone = sys.stderr.isatty()

    def tell(done: int, total: int, title: str) -> None:
        nonlocal shown
        part = done * 20 // total
        if everyone or part > shown or total <= 40:
            shown = part
            typer.echo(f"[{done}/{total}] {title}", err=True)

    return tell


def _write_report(out: Path) -> "StudyResults | None":
    from neurograft.reports.study_report import write_study_report

    return write_study_report(out)


def _told(results: "StudyResults | None") -> dict[str, Any]:
    """What is missing of the study, and what was found."""
    if results is None:
        return {"warnings": [], "answer": []}
    return {"warnings": list(results.warnings), "answer": results.sentences()}


def _tell_answer(out: Path, results: "StudyResults") -> None:
    for warning in results.warnings:
        typer.echo(f"Warning: {warning}")
    for sentence in results.sentences():
        typer.echo(f"- {sentence}")
    typer.echo(f"Page: {out / 'results' / 'report.html'}")
