"""The program ``neurograft``: its commands, and what an error looks like to its user."""

import errno
import logging
import sys

import typer

from neurograft.allocator import keep_freed_memory
from neurograft.cli import (
    adapt,
    agreement,
    atlas,
    compare,
    data,
    deep_image_prior,
    demo,
    doctor,
    evaluate,
    features,
    model,
    phantom,
    predict,
    standardise,
    study,
    train,
)
from neurograft.errors import InputError

app = typer.Typer(
    name="neurograft",
    help="Adapt a brain-MRI segmentation model from a handful of labelled scans, and say whether to trust it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("demo")(demo.demo)
app.add_typer(data.app, name="data")
app.command("train")(train.train)
app.command("adapt")(adapt.adapt)
app.command("predict")(predict.predict)
app.command("deep-image-prior")(deep_image_prior.deep_image_prior)
app.command("evaluate")(evaluate.evaluate)
app.command("compare")(compare.compare)
app.command("agreement")(agreement.agreement)
app.command("features")(features.features)
app.add_typer(model.app, name="model")
app.command("doctor")(doctor.doctor)
app.add_typer(atlas.app, name="atlas")
app.add_typer(standardise.app, name="standardise")
app.add_typer(phantom.app, name="phantom")
app.add_typer(study.app, name="study")


TRAINING = frozenset({"demo", "train", "adapt", "deep-image-prior", "study"})
"""Commands that train: the same sizes of memory come and go at each step. A prediction holds more at most that way."""


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", help="Print the version and exit.", is_eager=True),
) -> None:
    if context.invoked_subcommand in TRAINING:
        keep_freed_memory()
    if version:
        from neurograft import __version__

        typer.echo(f"neurograft {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the program. Exit status: 0 done, 2 wrong call or input, 1 a failure of ours."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s", stream=sys.stderr)
    logging.getLogger("neurograft").setLevel(logging.INFO)
    try:
        app()
    except InputError as error:
        _fail(str(error))
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
            raise
        place = f"{error.filename}: " if error.filename else ""
        mend = {
            errno.ENOSPC: "Free some space and repeat the command; it goes on",
            errno.EDQUOT: "Free some of your quota and repeat the command; it goes on",
        }.get(error.errno, "Choose a place that you may write to")
        _fail(f"{place}{error.strerror}. {mend}.")


def _fail(text: str) -> None:
    typer.echo(f"Error: {text}", err=True)
    raise SystemExit(2)
