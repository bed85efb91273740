"""``neurograft agreement``: predicted numbers, such as ages, against true ones."""

from pathlib import Path
from typing import Annotated

import typer

from neurograft.cli.options import JsonOption, OutOption, OverwriteOption


def agreement(
    reference: Annotated[Path, typer.Option(help="Table with the true numbers.", show_default=False)],
    prediction: Annotated[Path, typer.Option(help="Table with the predicted numbers.", show_default=False)],
    quantity: Annotated[str, typer.Option(help="Column with the numbers, in both tables.", show_default=False)],
    out: OutOption,
    key: Annotated[
        str | None,
        typer.Option(help="Column that says whose number it is.  [default: case, participant_id or subject]"),
    ] = None,
    training_mean: Annotated[
        float | None, typer.Option(help="Mean that the model learnt from: the baseline.", show_default=False)
    ] = None,
    training: Annotated[
        Path | None, typer.Option(help="Table with the numbers that the model learnt from.", show_default=False)
    ] = None,
    missing: Annotated[
        str, typer.Option(help="A missing prediction is an error, or left out and named: error or leave-out.")
    ] = "error",
    overwrite: OverwriteOption = False,
    json: JsonOption = False,
) -> None:
    """Compare predicted numbers with true ones: errors, a baseline, ICC, limits of agreement."""
    from dataclasses import asdict

    import neurograft
    from neurograft.cli.display import plain, show_json, show_table
    from neurograft.cli.options import chosen
    from neurograft.errors import InputError
    from neurograft.evaluation.agreement.row import AGREEMENT_MEANINGS
    from neurograft.outputs import check_free, staged_directory, write_json, write_table
    from neurograft.reports.evaluation_page import write_evaluation_page
    from neurograft.reports.number_report import number_report, number_sentences
    from neurograft.scoring.numbers import NumberMissing, regression_table, score_numbers

    if training is not None and training_mean is not None:
        raise InputError("--training and --training-mean both give the baseline", "Give one of them")
    check_free(out, overwrite)
    baseline = training if training is not None else training_mean
    policy = chosen("--missing", missing, NumberMissing)
    scores = score_numbers(reference, prediction, quantity, key, baseline, missing=policy)
    identity = {"reference": str(reference), "prediction": str(prediction), "quantity": quantity}
    sentences = number_sentences(scores)
    found = {
        "neurograft": neurograft.__version__,
        "quantity": quantity,
        "unpaired": list(scores.unpaired),
        "regression": asdict(scores.regression),
        "agreement": scores.agreement.to_dict("records")[0],
        "sentences": sentences,
    }
    with staged_directory(out, identity, overwrite) as folder:
        write_table(folder / "pairs.tsv", scores.pairs)
        write_table(folder / "agreement.tsv", scores.agreement)
        write_table(folder / "regression.tsv", regression_table(scores))
        write_json(folder / "agreement.json", plain(found))
        write_evaluation_page(number_report(scores, f"{prediction} against {reference}"), folder / "agreement.html")
    if json:
        show_json({"out": str(out), **found})
        return
    row = scores.agreement.iloc[0]
    shown = ["n_subjects", "bias", "loa_lower", "loa_upper", "icc_2_1", "ccc", "pearson"]
    show_table("", ("figure", "value", "meaning"), [(name, row[name], AGREEMENT_MEANINGS[name]) for name in shown])
    for sentence in sentences:
        typer.echo(sentence)
    typer.echo(f"Page: {out / 'agreement.html'}")
