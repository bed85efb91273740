"""``neurograft model match``: which labels of a model the labels of a cohort can start from."""

from pathlib import Path
from typing import Annotated

import typer

from neurograft.cli.options import BidsOption, CohortOption, JsonOption, OverwriteOption, read_pairs


def match(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="A model, such as runs/mine.")],
    cohort: CohortOption,
    out: Annotated[
        Path | None, typer.Option("--out", help="Table to write, .tsv; only shown without it.", show_default=False)
    ] = None,
    matched_only: Annotated[
        bool, typer.Option("--matched-only", help="Leave out labels that would start from nothing.")
    ] = False,
    bids: BidsOption = None,
    overwrite: OverwriteOption = False,
    json: JsonOption = False,
) -> None:
    """Match a cohort's labels with a model's, by name, by number and as parts of larger structures.

    Read the table, correct it, and pass it to adapt with --label-table. A cell "source" may be empty (a
    random start), name one label of the model, or several joined by "+".
    """
    from neurograft.cli.display import show_json, show_table
    from neurograft.cohorts import open_cohort
    from neurograft.cohorts.label_matching import match_labels, write_label_matches
    from neurograft.models import open_bundle

    bundle = open_bundle(source)
    opened = open_cohort(cohort, bids_filters=read_pairs(bids, "--bids", "KEY=VALUE"))
    found = match_labels(opened.labels, bundle.labels.names)
    kept = [match for match in found if match.sources or not matched_only]
    if out is not None:
        write_label_matches(out, kept, overwrite)
    if json:
        show_json([{"target": match.target, "source": match.text, "how": match.how} for match in kept])
        return
    show_table("", ("label", "starts from", "how"), [(match.target, match.text, match.how) for match in kept])
    without = sum(not match.sources for match in found)
    typer.echo(f"{len(found) - without} of {len(found)} labels have a start in {bundle.info.name}.")
