"""Settling a recipe's intensity scale before anything is trained by it."""

import logging

from neurograft.cohorts import Cohort
from neurograft.cohorts.standards import cohort_standard
from neurograft.recipes.schema import Recipe

logger = logging.getLogger(__name__)


def with_standard(recipe: Recipe, training: Cohort) -> Recipe:
    """Measure the scale of ``nyul`` or ``histogram`` where the recipe asks for one and brings none.

    A model that is adapted brings its source's, so that the target is brought to the source's scale.

    Args:
        recipe: any.
        training: the subjects that are learnt from, and nobody who is held out.

    Returns:
        The recipe with the landmarks in ``preparation.standard``; the same one where nothing is to be done.

    Raises:
        InputError: nothing to measure on.
    """
    preparation = recipe.preparation
    if preparation.normalisation not in ("nyul", "histogram") or preparation.standard.landmarks is not None:
        return recipe
    standard = cohort_standard(training, preparation)
    logger.info("intensity scale (%s) measured on %d scans", preparation.normalisation, len(training))
    return recipe.model_copy(update={"preparation": preparation.model_copy(update={"standard": standard})})
