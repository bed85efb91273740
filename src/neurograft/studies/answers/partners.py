"""What stands beside a chosen method: scratch and the source as it is, in its own variant."""

from collections.abc import Mapping

import pandas as pd

from neurograft.studies.answers.choice import Choice
from neurograft.studies.protocol.schema import TWIN


def partners_of(scores: pd.DataFrame, strategy: str) -> dict[str, str]:
    """The method of a strategy that stands beside each method: of its source and variant, else of no variant.

    Scratch has no source, and so is the twin of methods from every one.

    Args:
        scores: of one experiment.
        strategy: scratch or none.

    Returns:
        By method; without those that have none beside them.
    """
    methods = scores[["method", "strategy", "source", "variant"]].drop_duplicates().astype(str).to_dict("records")
    named = {(one["source"], one["variant"]): one["method"] for one in methods if one["strategy"] == strategy}
    found = {}
    for one in methods:
        source = "" if strategy == TWIN else one["source"]
        partner = named.get((source, one["variant"]), named.get((source, "")))
        if partner is not None:
            found[one["method"]] = partner
    return found


def rows_of_partners(choice: Choice, tested: pd.DataFrame, partners: Mapping[str, str]) -> pd.DataFrame:
    """Rows of what stands beside the chosen methods, each on the people whom the chosen one serves."""
    parts = [tested.iloc[:0]]
    for method in choice.by_share:
        served = choice.scores.loc[choice.scores["chosen"] == method, ["test", "subject", "case"]].drop_duplicates()
        parts.append(tested[tested["method"] == partners.get(method)].merge(served))
    return pd.concat(parts, ignore_index=True)
