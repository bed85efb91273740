"""The one exception that a user may see, and that every command turns into exit status 2."""

from pathlib import Path


class InputError(ValueError):
    """Something the user gave cannot be used.

    Args:
        problem: what was expected and what came, in one sentence without a final full stop.
        mend: what the user can do about it, likewise.
        file: the file or folder at fault, where there is one.
    """

    def __init__(self, problem: str, mend: str, file: Path | str | None = None) -> None:
        self.problem = problem
        self.mend = mend
        self.file = None if file is None else Path(file)
        place = "" if file is None else f"{file}: "
        super().__init__(f"{place}{problem}. {mend}.")

    def __reduce__(self) -> tuple[type, tuple[str, str, Path | None]]:
        return (type(self), (self.problem, self.mend, self.file))
