"""The priors of a cohort's cases: whether they are there, and what their frames are called."""

from neurograft.cohorts.cohort import Case, Cohort
from neurograft.errors import InputError
from neurograft.imaging.prior import Prior, read_prior
from neurograft.recipes.schema import PreparationConfig, Recipe


def case_prior(case: Case, config: PreparationConfig) -> Prior | None:
    """The prior that the network reads beside a case's image, with the frames that it expects.

    Returns:
        ``None`` where the recipe asks for none.

    Raises:
        InputError: the case has no prior, or lacks a frame.
    """
    if config.prior == "none":
        return None
    if case.prior is None:
        raise InputError(
            f"preparation.prior is {config.prior}, and case {case.id} has none",
            "Name its file in the column prior of a cohort table, as neurograft atlas apply does",
            next(iter(case.images.values()), None),
        )
    prior = read_prior(case.prior)
    return prior if config.prior_labels is None else prior.select(config.prior_labels)


def with_prior_labels(recipe: Recipe, cohort: Cohort) -> Recipe:
    """The recipe with the names of the prior's frames, which decide how many channels the network has.

    Names that the recipe has already, such as those of a source model, stay.

    Raises:
        InputError: the first case has no prior that could be read.
    """
    preparation = recipe.preparation
    if preparation.prior == "none" or preparation.prior_labels is not None or not cohort.cases:
        return recipe
    prior = case_prior(cohort.cases[0], preparation)
    names = None if prior is None else prior.names
    return recipe.model_copy(update={"preparation": preparation.model_copy(update={"prior_labels": names})})
