"""``neurograft evaluate``: predictions against reference label maps."""

from pathlib import Path
from typing import Annotated

import typer

from neurograft.cli.options import BidsOption, JsonOption, OutOption, OverwriteOption, SubjectsOption, WhereOption


def evaluate(
    reference: Annotated[Path, typer.Option(help="A cohort or a folder of label maps.", show_default=False)],
    prediction: Annotated[Path, typer.Option(help="A folder of label maps.", show_default=False)],
    out: OutOption,
    missing: Annotated[
        str, typer.Option(help="A missing prediction is an error, or scores zero: error or score-zero.")
    ] = "error",
    empty: Annotated[str, typer.Option(help="A label absent from both sides: skip or perfect.")] = "skip",
    subjects: SubjectsOption = None,
    where: WhereOption = None,
    bids: BidsOption = None,
    overwrite: OverwriteOption = False,
    json: JsonOption = False,
) -> None:
    """Score predictions: Dice and volume, per case and label, with means and intervals."""
    from typing import cast, get_args

    from neurograft.cli.display import progress_bar, show_json, show_table
    from neurograft.cli.options import Selection
    from neurograft.errors import InputError
    from neurograft.evaluation.overlap import EmptyPolicy
    from neurograft.outputs import check_free, staged_directory, write_json, write_table
    from neurograft.studies.scoring import MissingPolicy, score_files

    for name, value, allowed in (
        ("--missing", missing, get_args(MissingPolicy)),
        ("--empty", empty, get_args(EmptyPolicy)),
    ):
        if value not in allowed:
            raise InputError(f"{name} {value!r} is unknown", f"Choose one of {', '.join(allowed)}")
    selection = Selection(subjects, where, bids)
    against = selection.open(reference) if selection else reference
    identity = {"reference": str(reference), "prediction": str(prediction), "missing": missing, "empty": empty}
    check_free(out, overwrite)
    with progress_bar("Scoring") as progress:
        scores = score_files(
            against, prediction, missing=cast(MissingPolicy, missing), empty=cast(EmptyPolicy, empty), progress=progress
        )
    with staged_directory(out, identity, overwrite) as folder:
        write_table(folder / "per_case.tsv", scores.cases)
        write_table(folder / "summary.tsv", scores.summary)
        write_json(
            folder / "summary.json", {"pairing": scores.pairing.how, "labels": scores.summary.to_dict("records")}
        )
    if json:
        show_json({"out": str(out), "pairing": scores.pairing.how, "labels": scores.summary.to_dict("records")})
        return
    rows = [
        (
            row["label"],
            f"{row['dice_mean']:.3f} ± {row['dice_sd']:.3f}",
            f"{row['dice_low']:.3f} to {row['dice_high']:.3f}",
            int(row["n"]),
            int(row["n_subjects"]),
            int(row["n_missing"]),
            row["volume_difference_mm3_mean"],
            row["policy"],
        )
        for _, row in scores.summary.iterrows()
    ]
    columns = (
        "label",
        "Dice, mean ± SD",
        "95 % interval",
        "n",
        "subjects",
        "missing",
        "volume difference, mm³",
        "policy",
    )
    show_table(f"Paired {scores.pairing.how}", columns, rows)
