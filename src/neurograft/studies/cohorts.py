"""The cohorts of a study: opened from where they lie or made, and described by what is in their files."""

import hashlib
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import neurograft
from neurograft.cohorts import Case, Cohort, open_cohort
from neurograft.errors import InputError
from neurograft.outputs import write_json
from neurograft.studies.cells.cell import content_hash
from neurograft.studies.folder import StudyFolder
from neurograft.studies.protocol.people import CohortConfig

DIGESTS = "digests.json"
"""In a study's folder: hashes of the files of its cohorts, so that a rerun need not read them again."""


@dataclass(frozen=True)
class StudyCohort:
    """A cohort of a study.

    Attributes:
        cohort: opened and selected.
        digests: subject -> hash of all that its cases hold: voxels, labels, states, covariates, and what the
            numbers in their label maps mean.
    """

    cohort: Cohort
    digests: Mapping[str, str]

    @property
    def subjects(self) -> tuple[str, ...]:
        """Its people."""
        return self.cohort.subjects


def place_cohorts(
    configs: Mapping[str, CohortConfig],
    folder: StudyFolder,
    data_root: Path | None,
    given: Mapping[str, Path],
) -> dict[str, dict[str, Any]]:
    """Find every cohort, and make the phantoms in the study's folder.

    Args:
        configs: the protocol's.
        folder: of the study.
        data_root: where relative paths begin.
        given: paths that a user gives for cohorts by name.

    Returns:
        Plain data from which `open_placed` opens each cohort, on any machine that sees the paths.

    Raises:
        InputError: a cohort is not where it should be, or a path is given for none.
    """
    unknown = sorted(set(given) - set(configs))
    if unknown:
        raise InputError(f"the protocol has no cohort {unknown[0]!r}", f"Its cohorts: {', '.join(configs)}")
    placed = {}
    for name, config in configs.items():
        selection = {"where": config.where, "without": config.without}
        if name in given:
            placed[name] = {"path": str(given[name].resolve()), **selection}
        elif config.path is not None:
            path = config.path if config.path.is_absolute() else (data_root or Path()) / config.path
            if not path.exists():
                raise InputError(
                    f"cohort {name!r} is not there",
                    f"Give the folder above it as --data-root, or its own as --cohort {name}=PATH",
                    path,
                )
            placed[name] = {"path": str(path.resolve()), **selection}
        else:
            placed[name] = {"path": str(_make_phantom(name, config, folder)), **selection, "made": _made_from(config)}
    return placed


def open_placed(placement: Mapping[str, Any], name: str) -> Cohort:
    """Open a cohort that `place_cohorts` found.

    Raises:
        InputError: nothing there, or nobody is left of it.
    """
    return _open(json.dumps(placement, sort_keys=True), name)


@lru_cache(maxsize=16)
def _open(placement: str, name: str) -> Cohort:
    placed = json.loads(placement)
    cohort = open_cohort(placed["path"])
    columns = {column for case in cohort.cases for column in case.covariates}
    for column in (*placed["where"], *placed["without"]):
        if column not in columns:
            raise InputError(
                f"cohort {name!r} has no column {column!r}", f"Columns: {', '.join(sorted(columns))}", cohort.source
            )

    def chosen(case: Case) -> bool:
        here, gone = placed["where"], placed["without"]
        return all(is_met(case.covariates.get(key), text) for key, text in here.items()) and not any(
            is_met(case.covariates.get(key), text) for key, text in gone.items()
        )

    cohort = replace(cohort, cases=tuple(filter(chosen, cohort.cases)))
    if not cohort.cases:
        raise InputError(f"nobody is left of cohort {name!r}", "Check where and without", cohort.source)
    return cohort


def verified(folder: StudyFolder, placement: Mapping[str, Any], name: str, people: Mapping[str, str]) -> Cohort:
    """People of a cohort, if their cases are still what they were when the study was planned.

    Args:
        folder: of the study, which keeps the hashes of files.
        placement: as for `open_placed`.
        name: of the cohort.
        people: subject -> hash at planning.

    Raises:
        InputError: files, table or labels have changed since.
    """
    known = _known_hashes(folder)
    for attempt in range(2):
        cohort = open_placed(placement, name).of_subjects(people)
        if "made" in placement:
            found = _made_digests(cohort, placement["made"])
        else:
            files = {path for case in cohort.cases for path in _files(case).values()}
            found = _digests(cohort, {path: _hashed(path, known.get(str(path)))[2] for path in files})
        if found == dict(people):
            return cohort
        if attempt == 0:
            # A process that lives from study to study may know the table as it once was.
            _open.cache_clear()
    changed = sorted(subject for subject in people if found.get(subject) != people[subject])
    raise InputError(
        f"cohort {name!r} has changed since the study was planned: {', '.join(changed[:5])}"
        f"{', ...' if len(changed) > 5 else ''}",
        "Repeat the command, which plans anew",
        cohort.source,
    )


def is_met(value: str | None, condition: str) -> bool:
    """Whether a covariate meets a condition: a text that it must be, or a bound such as ``>=60``.

    Raises:
        InputError: a bound that is no number.
    """
    sign = next((sign for sign in (">=", "<=", ">", "<") if condition.startswith(sign)), None)
    if sign is None:
        return value == condition
    try:
        bound = float(condition.removeprefix(sign))
    except ValueError as error:
        raise InputError(f"the condition {condition!r} is no bound", "Write for example '>=60'") from error
    try:
        number = float(value or "")
    except ValueError:
        return False
    return {">=": number >= bound, "<=": number <= bound, ">": number > bound, "<": number < bound}[sign]


def describe_cohorts(
    placed: Mapping[str, Mapping[str, Any]],
    folder: StudyFolder,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, StudyCohort]:
    """Open every cohort and hash the files of its cases, those that did not change since the last time from memory."""
    known = dict(_known_hashes(folder))
    # What was opened in this process before may have changed since.
    _open.cache_clear()
    cohorts = {name: open_placed(placement, name) for name, placement in placed.items()}
    read = [name for name in cohorts if "made" not in placed[name]]
    files = sorted({path for name in read for case in cohorts[name].cases for path in _files(case).values()})
    hashes: dict[Path, str] = {}
    with ThreadPoolExecutor(4) as pool:
        for done, (path, entry) in enumerate(
            zip(files, pool.map(lambda path: _hashed(path, known.get(str(path))), files), strict=True), start=1
        ):
            known[str(path)] = entry
            hashes[path] = entry[2]
            if progress is not None:
                progress(done, len(files))
    write_json(folder.root / DIGESTS, known)
    return {
        name: StudyCohort(cohort, _made_digests(cohort, placed[name]["made"]))
        if "made" in placed[name]
        else StudyCohort(cohort, _digests(cohort, hashes))
        for name, cohort in cohorts.items()
    }


def _known_hashes(folder: StudyFolder) -> Mapping[str, list[Any]]:
    store = folder.root / DIGESTS
    return _read_hashes(store, store.stat().st_mtime_ns) if store.is_file() else {}


@lru_cache(maxsize=2)
def _read_hashes(store: Path, changed_ns: int) -> Mapping[str, list[Any]]:
    try:
        known: dict[str, list[Any]] = json.loads(store.read_text("utf-8"))
    except ValueError:
        return {}  # damaged: the files are read again
    return known


def _digests(cohort: Cohort, hashes: Mapping[Path, str]) -> dict[str, str]:
    cases: dict[str, list[Any]] = {}
    classes = cohort.intensity_classes
    source = [cohort.labels.to_dict(), list(cohort.channels), None if classes is None else asdict(classes)]
    for case in cohort.cases:
        state = case.label_state if isinstance(case.label_state, str) else dict(case.label_state)
        files = {name: hashes[path] for name, path in _files(case).items()}
        own = None if case.labels is None else case.labels.to_dict()
        cases.setdefault(case.subject, []).append([case.id, files, state, dict(case.covariates), own])
    return {
        subject: content_hash([source, sorted(entries, key=lambda entry: entry[0])])
        for subject, entries in cases.items()
    }


def _made_digests(cohort: Cohort, made: Mapping[str, Any]) -> dict[str, str]:
    """A phantom is what it was made from; its files need not be read."""
    return {subject: content_hash([made, subject]) for subject in cohort.subjects}


def _files(case: Case) -> dict[str, Path]:
    others = {"label": case.label, "mask": case.mask, "prior": case.prior, "reference_region": case.reference_region}
    return {
        **{f"image {name}": path for name, path in case.images.items()},
        **{name: path for name, path in others.items() if path is not None},
    }


def _hashed(path: Path, known: list[Any] | None) -> list[Any]:
    """Size, time of change and hash of a file; the hash from before where the others are the same."""
    try:
        status = path.stat()
        if known is not None and known[:2] == [status.st_size, status.st_mtime_ns]:
            return known
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(
            f"cannot be read: {error.strerror}", "Restore the file, or correct the cohort", path
        ) from error
    return [status.st_size, status.st_mtime_ns, digest]


def _made_from(config: CohortConfig) -> dict[str, Any]:
    return {
        "phantom": config.phantom,
        "people": config.people,
        "seed": config.seed,
        "options": config.options,
        "neurograft": neurograft.__version__,
    }


def _make_phantom(name: str, config: CohortConfig, folder: StudyFolder) -> Path:
    """Make a phantom cohort in the study's folder, unless it is there."""
    from neurograft.phantoms import make_ageing_cohort, make_midbrain_cohort, make_susceptibility_cohort

    # Two cohorts of one phantom are parts of it, and share its people.
    target = folder.root / "cohorts" / f"{config.phantom}-{content_hash(_made_from(config))[:8]}"
    table = target / "cohort.tsv"
    if table.is_file():
        return table
    makers: dict[str, Callable[..., Path]] = {
        "midbrain": make_midbrain_cohort,
        "ageing": make_ageing_cohort,
        "susceptibility": make_susceptibility_cohort,
    }
    try:
        return makers[str(config.phantom)](target, config.people, config.seed, **config.options)
    except TypeError as error:
        raise InputError(f"cohort {name!r}: {error}", "See the options of the phantom") from error
