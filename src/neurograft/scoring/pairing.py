"""Find the prediction that belongs to each reference label map, and say how it was found.

Names come first: the same file name, or a case's identifier. Failing that, BIDS entities: the same
subject, and no entity on which the two names disagree. Nothing is ever paired by order, and a
prediction that fits two references, or a reference that two predictions fit, is refused.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from neurograft.cohorts.cohort import Cohort
from neurograft.errors import InputError
from neurograft.imaging.files import is_image_file, stem

FREE_ENTITIES = frozenset({"desc", "label", "seg", "atlas"})
"""BIDS entities that tell how a segmentation was made, on which reference and prediction may differ."""

_NAMES_SHOWN = 5


@dataclass(frozen=True)
class Pair:
    """A reference label map and what belongs to it.

    Attributes:
        case: its name.
        subject: the person.
        reference: label map.
        prediction: label map; ``None`` where there is none.
        unscored_labels: labels that the reference does not annotate throughout.
        image: where intensities are measured.
        reference_region: mask for contrast ratios.
        raters: other raters' label maps, by name.
    """

    case: str
    subject: str
    reference: Path
    prediction: Path | None
    unscored_labels: frozenset[str] = frozenset()
    image: Path | None = None
    reference_region: Path | None = None
    raters: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Pairing:
    """All pairs, how they were made, and the predictions that nothing claims."""

    pairs: tuple[Pair, ...]
    how: str
    unused: tuple[Path, ...]

    @property
    def missing(self) -> tuple[Pair, ...]:
        """Pairs without a prediction."""
        return tuple(pair for pair in self.pairs if pair.prediction is None)


@dataclass(frozen=True)
class _Reference:
    case: str
    subject: str
    label: Path
    names: tuple[str, ...]
    entities: dict[str, str] = field(default_factory=dict)
    unscored_labels: frozenset[str] = frozenset()
    image: Path | None = None
    reference_region: Path | None = None


def pair_files(reference: Path | Sequence[Path], prediction: Path) -> Pairing:
    """Pair reference label maps with the predictions of a folder.

    Args:
        reference: a folder of label maps, searched with its subfolders; one label map; or a list.
        prediction: a folder, searched likewise; or one file for one reference.

    Returns:
        A pair for every reference. Its case is the file's stem (with its folder where stems repeat);
        its subject is the BIDS entity ``sub``, and where there is none every file counts as a person.

    Raises:
        InputError: nothing to pair, no pair found, or a name that fits twice.
    """
    if not isinstance(reference, Path):
        files, root = list(reference), None
    elif reference.is_file():
        files, root = [reference], None
    else:
        files, root = _segmentations(reference), reference
    if not files:
        raise InputError("there is no reference label map", "Give a folder with NIfTI or MGZ label maps", root)
    repeated = {name for name, count in Counter(map(stem, files)).items() if count > 1}
    references = []
    for file in files:
        name, entities = stem(file), bids_entities(file)
        relative = _relative_stem(file, root)
        case = relative.replace("/", "_") if name in repeated else name
        references.append(_Reference(case, entities.get("sub", case), file, (relative, name), entities))
    subjects = "" if all("sub" in one.entities for one in references) else "; every reference file counts as one person"
    return _pair(references, prediction, subjects)


def pair_cohort(cohort: Cohort, prediction: Path) -> Pairing:
    """Pair a cohort's labelled cases with the predictions of a folder.

    A prediction may carry the case's identifier, the name of one of its images, or that of its label
    map. Labels that a case does not annotate densely are marked as not to be scored, unless the label
    table has a value for voxels without annotation, which then decides voxel by voxel.

    Raises:
        InputError: the cohort has no labelled case, no pair found, or a name that fits twice.
    """
    references = []
    for case in cohort.cases:
        if case.label is None or not case.is_labelled:
            continue
        states = {name: case.state_of(name) for name in cohort.labels.names}
        usable = {"dense"} if cohort.labels.ignore_value is None else {"dense", "slices"}
        unscored = frozenset(name for name, state in states.items() if state not in usable)
        images = list(case.images.values())
        names = (case.id, *map(stem, images), stem(case.label))
        entities = bids_entities(case.label) or (bids_entities(images[0]) if images else {})
        image = images[0] if images else None
        references.append(
            _Reference(case.id, case.subject, case.label, names, entities, unscored, image, case.reference_region)
        )
    if not references:
        raise InputError("the cohort has no labelled case", "Give a cohort with label maps", cohort.source)
    return _pair(references, prediction, "")


def with_raters(pairing: Pairing, references: Path | Cohort, raters: Mapping[str, Path]) -> Pairing:
    """Add other raters' label maps to the pairs, found as predictions are.

    Args:
        pairing: of references and predictions.
        references: what the pairing was made from.
        raters: a folder of label maps for each rater; a case that it lacks is not rated by them.

    Raises:
        InputError: a rater without any of the cases, or a name that fits twice.
    """
    found: dict[str, dict[str, Path]] = {pair.case: {} for pair in pairing.pairs}
    for name, folder in raters.items():
        theirs = pair_cohort(references, folder) if isinstance(references, Cohort) else pair_files(references, folder)
        for pair in theirs.pairs:
            if pair.prediction is not None:
                found[pair.case][name] = pair.prediction
    return replace(pairing, pairs=tuple(replace(pair, raters=found[pair.case]) for pair in pairing.pairs))


def with_images(pairing: Pairing, references: Path, images: Path) -> Pairing:
    """Add the images of a folder to the pairs, found by name as predictions are.

    Raises:
        InputError: none of the images fits, or one fits twice.
    """
    theirs = pair_files(references, images)
    found = {pair.case: pair.prediction for pair in theirs.pairs}
    return replace(pairing, pairs=tuple(replace(pair, image=found[pair.case]) for pair in pairing.pairs))


def bids_entities(path: Path) -> dict[str, str]:
    """Key-value pairs of a BIDS file name; empty when the name is not of that form.

    Example:
        >>> bids_entities(Path("sub-01_ses-2_desc-manual_dseg.nii.gz"))
        {'sub': '01', 'ses': '2', 'desc': 'manual'}
    """
    entities = dict(re.findall(r"(?:^|_)([a-zA-Z]+)-([^-_]+)(?=_|$)", stem(path)))
    return entities if "sub" in entities else {}


def _pair(references: Sequence[_Reference], prediction: Path, remark: str) -> Pairing:
    if not prediction.exists():
        raise InputError("there is no such file or folder of predictions", "Give the output of predict", prediction)
    if prediction.is_file():
        if len(references) > 1:
            problem = f"one prediction was given for {len(references)} references"
            raise InputError(problem, "Give a folder of predictions, or one reference", prediction)
        return _pairing(references, [prediction], [prediction], f"as given{remark}")
    candidates = _segmentations(prediction)
    if not candidates:
        raise InputError("the folder holds no prediction", "Give a folder with NIfTI or MGZ label maps", prediction)
    chosen, how = _match(references, _name_matcher(references, candidates, prediction)), "by file name"
    if None in chosen and all(reference.entities for reference in references):
        by_entities = _match(references, lambda reference: _agreeing(reference, candidates))
        if by_entities.count(None) < chosen.count(None):
            chosen, how = by_entities, "by BIDS entities"
    if not any(chosen):
        raise InputError(
            f"no prediction carries the name of a reference; predictions are called {_some(candidates)}",
            f"Name them after the cases: {_some([reference.names[0] for reference in references])}",
            prediction,
        )
    return _pairing(references, chosen, candidates, how + remark)


def _match(references: Sequence[_Reference], find: Callable[[_Reference], Sequence[Path]]) -> list[Path | None]:
    """The one prediction of each reference; several for one, or one for several, is an error."""
    chosen: list[Path | None] = []
    owner: dict[Path, str] = {}
    for reference in references:
        found = find(reference)
        if len(found) > 1:
            problem = f"several predictions fit case {reference.case!r}: {_some(found)}"
            raise InputError(problem, "Keep one prediction a case in the folder", found[0].parent)
        chosen.append(found[0] if found else None)
        if found and owner.setdefault(found[0], reference.case) != reference.case:
            problem = f"the prediction fits two cases, {owner[found[0]]!r} and {reference.case!r}"
            raise InputError(problem, "Name predictions after the cases", found[0])
    return chosen


def _name_matcher(
    references: Sequence[_Reference], candidates: Sequence[Path], root: Path
) -> Callable[[_Reference], Sequence[Path]]:
    """A function from a reference to the predictions that carry one of its own names."""
    owners = Counter(name for reference in references for name in set(map(_plain, reference.names)))
    by_name: dict[str, list[Path]] = {}
    for candidate in candidates:
        for name in {_plain(_relative_stem(candidate, root)), _plain(stem(candidate))}:
            by_name.setdefault(name, []).append(candidate)

    def find(reference: _Reference) -> Sequence[Path]:
        # A name that several references share (label.nii.gz in every subject's folder) proves nothing.
        own = [name for name in map(_plain, reference.names) if owners[name] == 1]
        return next((by_name[name] for name in own if name in by_name), ())

    return find


def _agreeing(reference: _Reference, candidates: Sequence[Path]) -> Sequence[Path]:
    """Predictions of the same subject that contradict the reference in no binding entity."""
    binding = {key: value for key, value in reference.entities.items() if key not in FREE_ENTITIES}
    agreeing = []
    for candidate in candidates:
        entities = bids_entities(candidate)
        if "sub" in entities and all(entities.get(key, value) == value for key, value in binding.items()):
            agreeing.append(candidate)
    return agreeing


def _pairing(
    references: Sequence[_Reference], chosen: Sequence[Path | None], candidates: Sequence[Path], how: str
) -> Pairing:
    pairs = tuple(
        Pair(
            reference.case,
            reference.subject,
            reference.label,
            found,
            reference.unscored_labels,
            reference.image,
            reference.reference_region,
        )
        for reference, found in zip(references, chosen, strict=True)
    )
    return Pairing(pairs, how, tuple(candidate for candidate in candidates if candidate not in set(chosen)))


def _segmentations(folder: Path) -> list[Path]:
    """Label maps below a folder, sorted; of BIDS names the segmentations, not images or probabilities."""
    if not folder.is_dir():
        raise InputError("there is no such file or folder", "Give an existing one", folder)
    files = [path for path in folder.rglob("*") if path.is_file() and is_image_file(path)]
    files = sorted(path for path in files if not any(part.startswith(".") for part in path.relative_to(folder).parts))
    for suffix in ("_dseg", "_mask"):
        of_suffix = [path for path in files if bids_entities(path) and stem(path).endswith(suffix)]
        if of_suffix:
            return of_suffix
    return files


def _relative_stem(file: Path, root: Path | None) -> str:
    if root is None:
        return stem(file)
    return (file.relative_to(root).parent / stem(file)).as_posix()


def _plain(name: str) -> str:
    """The name without a final word that only says that it is a segmentation."""
    return re.sub(r"_(dseg|seg|mask)$", "", name)


def _some(names: Sequence[Path | str]) -> str:
    shown = [name.name if isinstance(name, Path) else name for name in names[:_NAMES_SHOWN]]
    return ", ".join(shown) + (f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else "")
