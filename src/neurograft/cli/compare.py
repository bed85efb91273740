"""``neurograft compare``: evaluations of several methods on the same subjects."""

from pathlib import Path
from typing import Annotated

import typer

from neurograft.cli.options import JsonOption, OutOption, OverwriteOption


def compare(
    runs: Annotated[
        list[str],
        typer.Argument(metavar="[NAME=]DIR...", help="Folders written by evaluate; one name for runs of one method."),
    ],
    out: OutOption,
    measure: Annotated[
        list[str] | None, typer.Option(help="Column of per_case.tsv; may be repeated.  [default: dice]")
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(help="Label, group or mean to compare; may be repeated.  [default: labels and their mean]"),
    ] = None,
    reference: Annotated[
        str | None, typer.Option(help="Compare every method with this one only.", show_default=False)
    ] = None,
    correction: Annotated[
        str, typer.Option(help="For the number of comparisons: holm, bonferroni, benjamini-hochberg or none.")
    ] = "holm",
    family: Annotated[
        str, typer.Option(help="Correct over the whole table, or over the comparisons of each measure: table, measure.")
    ] = "table",
    common: Annotated[bool, typer.Option("--common", help="Compare on the cases that all methods have.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of bootstrap and permutations.")] = 0,
    overwrite: OverwriteOption = False,
    json: JsonOption = False,
) -> None:
    """Compare methods on the same subjects: tests, effect sizes and a plain verdict for each pair."""
    from neurograft.cli.display import show_json, show_table
    from neurograft.cli.options import chosen
    from neurograft.errors import InputError
    from neurograft.evaluation.comparison.compare import Family
    from neurograft.evaluation.comparison.corrections import Correction
    from neurograft.evaluation.measures import MEASURES
    from neurograft.outputs import check_free, staged_directory
    from neurograft.reports.methods import MethodsReport
    from neurograft.reports.methods_page import write_methods_page
    from neurograft.scoring.methods import compare_evaluations, comparison_summary, write_comparison

    measures = measure or ["dice"]
    unknown = [name for name in measures if name not in MEASURES]
    if unknown:
        raise InputError(f"--measure {unknown[0]!r} is unknown", f"Choose among {', '.join(MEASURES)}")
    named = []
    unnamed: set[str] = set()
    for text in runs:
        name, equals, run = text.partition("=")
        # A folder may itself have "=" in its name, as in lr=0.1.
        if equals and not Path(text).exists():
            named.append((name, Path(run)))
            continue
        name = Path(text).resolve().name
        if name in unnamed:
            raise InputError(f"two folders are called {name!r}", "Name the methods, as in full=DIR scratch=DIR")
        unnamed.add(name)
        named.append((name, Path(text)))
    check_free(out, overwrite)
    compared = compare_evaluations(
        named,
        measures,
        label or (),
        reference,
        chosen("--correction", correction, Correction),
        chosen("--family", family, Family),
        common,
        seed=seed,
    )
    identity: dict[str, object] = {"runs": runs, "measures": measures, "labels": label or [], "correction": correction}
    identity |= {"family": family, "common": common, "reference": reference, "seed": seed}
    with staged_directory(out, identity, overwrite) as folder:
        write_comparison(compared, folder)
        methods = " and ".join(compared.runs) if len(compared.runs) == 2 else ", ".join(compared.runs)
        report = MethodsReport(
            title=f"Is there a difference between {methods}?",
            scores=compared.scores,
            comparison=compared.comparison,
            facts={
                **{name: ", ".join(map(str, folders)) for name, folders in compared.runs.items()},
                "correction": f"{correction}, over the comparisons of "
                f"{'the whole table' if family == 'table' else 'each measure'}",
                "intervals": f"{compared.level:.0%}, resampling subjects, seed {seed}",
                "neurograft": comparison_summary(compared)["neurograft"],
            },
        )
        write_methods_page(report, folder / "comparison.html")
    if json:
        show_json({"out": str(out), **comparison_summary(compared)})
        return
    rows = [
        (
            row["measure"],
            row["label"],
            f"{row['first']} - {row['second']}",
            f"{row['difference']:+.3f}",
            f"{row['low']:+.3f} to {row['high']:+.3f}",
            f"{row['p_corrected']:.3g}",
            row["n_subjects"],
        )
        for row in compared.comparison.to_dict("records")
    ]
    columns = ("measure", "label", "difference", "mean", "95 % interval", f"p, {correction}", "subjects")
    show_table("", columns, rows)
    for sentence in compared.comparison["verdict"]:
        typer.echo(f"- {sentence}")
    typer.echo(f"Page: {out / 'comparison.html'}")
