"""A cohort: subjects, their images, their labels, and how completely each case is labelled."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from neurograft.errors import InputError
from neurograft.imaging.intensity_classes import IntensityClasses
from neurograft.imaging.labels import LabelTable

LabelState = Literal["dense", "slices", "none"]
"""``dense``: every voxel is annotated; ``slices``: only some slices are; ``none``: not annotated."""

LABEL_STATES: tuple[LabelState, ...] = ("dense", "slices", "none")


@dataclass(frozen=True)
class Case:
    """One scan of one subject, as paths; nothing is read until somebody asks.

    Attributes:
        id: unique in its cohort and usable as a file name.
        subject: the person; the unit of every split.
        session: the visit, where the source names one.
        images: a file per channel, in the order of the cohort's channels; empty where there is only a label map.
        label: the label map, if there is one.
        mask: where to look, e.g. a brain mask.
        prior: a prior probability map or atlas for the case.
        reference_region: the region that contrast ratios are taken against.
        label_state: one state for all labels, or one per label name.
        covariates: everything else that the source says of the case (age, site, ...), as text.
        entities: the name's BIDS entities, for naming results; empty for other sources.
        labels: the table of its own label map, where its values are not the cohort's: the same names in the
            same order.
        origin: the cohort that it came from and its subject's identifier there, in a cohort of several.
    """

    id: str
    subject: str
    session: str | None
    images: Mapping[str, Path]
    label: Path | None = None
    mask: Path | None = None
    prior: Path | None = None
    reference_region: Path | None = None
    label_state: LabelState | Mapping[str, LabelState] = "none"
    covariates: Mapping[str, str] = field(default_factory=dict)
    entities: Mapping[str, str] = field(default_factory=dict)
    labels: LabelTable | None = None
    origin: tuple[str, str] | None = None

    def state_of(self, label_name: str) -> LabelState:
        """How completely this case is annotated for one label; a label not named in the states is dense."""
        if isinstance(self.label_state, str):
            return self.label_state
        return self.label_state.get(label_name, "dense")

    @property
    def is_labelled(self) -> bool:
        """Whether there is a label map and at least one label's state is not ``none``."""
        if self.label is None:
            return False
        if isinstance(self.label_state, str):
            return self.label_state != "none"
        return any(state != "none" for state in self.label_state.values())


@dataclass(frozen=True)
class Cohort:
    """Cases of one source under one label table.

    Attributes:
        name: what reports call it; subject identifiers are compared within one name only.
        source: the file or folder it was read from.
        kind: what that source is.
        channels: image channels that every case has, in order; none where there are only label maps.
        labels: the label table.
        cases: the cases, in the order of the source.
        intensity_classes: which values of the label maps look alike, where the source says so.
    """

    name: str
    source: Path
    kind: Literal["table", "bids", "decathlon", "files", "label-maps", "pictures", "combined"]
    channels: tuple[str, ...]
    labels: LabelTable
    cases: tuple[Case, ...]
    intensity_classes: IntensityClasses | None = None

    def __len__(self) -> int:
        return len(self.cases)

    @property
    def subjects(self) -> tuple[str, ...]:
        """Each subject once, sorted, so that the order of the source never matters."""
        return tuple(sorted({case.subject for case in self.cases}))

    def of_subjects(self, subjects: Iterable[str]) -> "Cohort":
        """The cohort with only the cases of these subjects.

        Raises:
            InputError: a subject is not in the cohort.
        """
        wanted = set(subjects)
        unknown = sorted(wanted.difference(self.subjects))
        if unknown:
            known = self.subjects
            raise InputError(
                f"cohort {self.name!r} has no subject {', '.join(map(repr, unknown[:5]))}",
                f"It has {len(known)} subjects: {', '.join(known[:10])}{', ...' if len(known) > 10 else ''}",
                self.source,
            )
        return replace(self, cases=tuple(case for case in self.cases if case.subject in wanted))

    def labelled(self) -> "Cohort":
        """The cohort with only the cases that somebody annotated."""
        return replace(self, cases=tuple(case for case in self.cases if case.is_labelled))

    def select_labels(self, wanted: Sequence[str] | Mapping[str, Sequence[str]] | None) -> "Cohort":
        """The cohort with some of its labels, or several merged under new names; all with ``None``.

        Each case's label states follow: a merged label is annotated as its least annotated part,
        and a case that annotates none of the labels counts as unlabelled.

        Raises:
            InputError: a name that the label table does not have.
        """
        if wanted is None:
            return self
        labels = self.labels.select(wanted)
        parts = wanted if isinstance(wanted, Mapping) else {name: (name,) for name in wanted}

        def selected(case: Case) -> Case:
            if case.labels is not None:
                case = replace(case, labels=case.labels.select(wanted))
            if isinstance(case.label_state, str):
                return case
            states = {name: max(map(case.state_of, merged), key=LABEL_STATES.index) for name, merged in parts.items()}
            return replace(case, label_state=states)

        return replace(self, labels=labels, cases=tuple(map(selected, self.cases)))

    def with_labels(self, labels: LabelTable) -> "Cohort":
        """The cohort under another label table, e.g. a selection of its own."""
        return replace(self, labels=labels)
