"""Words that sentences, tables and pages of studies share."""

from neurograft.studies.comparison import EVERYONE


def people_words(count: object) -> str:
    """Such as ``1 person``, ``5 people``, ``all people`` or ``everyone``."""
    if str(count) == EVERYONE:
        return EVERYONE
    return "1 person" if str(count) == "1" else f"{count} people"
