"""How many people are learnt from, in words."""

EVERYONE = "everyone"
"""In place of a number: all whose labels there are, the source cohort included."""


def people_words(count: object) -> str:
    """Such as ``1 person``, ``5 people``, ``all people`` or ``everyone``."""
    if count == EVERYONE:
        return EVERYONE
    return "1 person" if str(count) == "1" else f"{count} people"
