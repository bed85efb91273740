"""What a page says of the trainings behind it."""

import pandas as pd

from neurograft.training.record import NOTHING


def training_facts(runs: pd.DataFrame) -> dict[str, str]:
    """What was computed with, and how long it took; nothing where no model was trained.

    Args:
        runs: a row a model, with ``compute`` and ``seconds``.
    """
    compute = computed_with(runs)
    if not compute:
        return {}
    minutes = f"{runs['seconds'].sum() / 60:.1f} min for {len(runs)} models"
    return {"computed with": compute, "training in all": minutes}


def computed_with(runs: pd.DataFrame) -> str:
    """Devices and precisions of all models; empty where nothing was trained."""
    return ", ".join(sorted(set(runs["compute"]) - {NOTHING}))
