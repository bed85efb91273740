"""What train and adapt have in common: run, then say what came of it."""

from neurograft.cli.display import progress_bar, show_json, show_table
from neurograft.training.ranks import ranks_of
from neurograft.training.request import TrainingRequest
from neurograft.training.run import train_model


def run_training(request: TrainingRequest, json: bool) -> None:
    """Run a training and print its summary."""
    with progress_bar("Reading scans") as progress:
        info = train_model(request, progress)
    if not ranks_of(request.recipe.compute).is_first:
        return  # the first of several processes tells
    record = info.training
    if json:
        show_json(
            {
                "model": str(request.out / "model"),
                "strategy": info.strategy,
                "labels": [label["name"] for label in info.labels["labels"]],
                "loading": info.loading,
                **record,
            }
        )
        return
    rows = [
        ("model", str(request.out / "model")),
        ("strategy", info.strategy),
        ("labels", ", ".join(label["name"] for label in info.labels["labels"]) or "none"),
        ("subjects", f"{record['training_subjects']} to train, {record['validation_subjects']} to choose the weights"),
        ("steps, seconds", f"{record['steps']}, {record['seconds']:.1f}"),
        ("weights kept", record["kept"]),
        ("trained on", record["compute"]),
        ("peak memory", f"{record['peak_memory_mib']} MiB"),
    ]
    if info.loading:
        rows.insert(2, ("from the source", ", ".join(f"{n} {action}" for action, n in info.loading.items() if n)))
    show_table("", ("", ""), rows)
