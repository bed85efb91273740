"""The templates of the pages, and the rules under which they are filled."""

from importlib import resources
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined


def fill_template(name: str, **values: Any) -> str:
    """Fill a template of this package; all text is escaped, and a value that lacks is an error.

    Args:
        name: of the file in ``templates``.
        values: what the template names.
    """
    templates = resources.files("neurograft.reports").joinpath("templates")
    environment = Environment(
        loader=FunctionLoader(lambda file: templates.joinpath(file).read_text("utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name).render(**values)
