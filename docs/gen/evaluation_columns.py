"""Columns of evaluation files that no dictionary of the program describes, each with its meaning.

``docs/gen/evaluation.py`` checks them against the tables that the program makes: a column without a
meaning here, or a meaning without a column, stops it.
"""

from collections.abc import Mapping

from neurograft.evaluation.agreement.raters import RATER_COLUMNS
from neurograft.evaluation.agreement.row import AGREEMENT_MEANINGS
from neurograft.evaluation.comparison.columns import COMPARISON_MEANINGS
from neurograft.evaluation.summary import SUMMARY_MEANINGS

CASE = {
    "case": "name of the case",
    "subject": "the person; intervals and tests resample and pair persons",
    "label": "label, group of labels, or kind of mean over labels",
    "kind": "`label`, `group`, or `mean` (over the labels of the case)",
    "status": "whether reference and prediction show the label, see below",
}

STATUS = {
    "ok": "both show the label",
    "reference-empty": "only the prediction shows it",
    "prediction-empty": "only the reference shows it",
    "both-empty": "neither shows it",
    "prediction-missing": "the case has no prediction",
}

PAIRED = {
    "case": "name of the case",
    "subject": "the person",
    "label": "label or group of labels",
    "quantity": "what was measured",
    "unit": "of it; empty for a ratio, and for intensities, whose unit is the image's",
    "reference": "measured in the reference mask",
    "prediction": "measured in the predicted mask",
}

BIOMARKERS = {
    "case": "name of the case",
    "subject": "the person",
    "rater": "whose delineation: `reference`, `prediction`, or the name of another rater",
    "label": "label or group of labels",
    "kind": "`label` or `group`",
    "volume_mm3": "volume of the mask",
    "voxels": "voxels of the mask",
    "nonfinite_voxels": "of these, voxels whose intensity is NaN or infinite; left out of every intensity",
    "intensity_mean": "mean intensity inside the mask",
    "intensity_median": "median",
    "intensity_max": "largest",
    "intensity_min": "smallest",
    "intensity_sd": "standard deviation, n - 1 in the denominator",
    "intensity_p5": "5th percentile",
    "intensity_p25": "25th percentile",
    "intensity_p75": "75th percentile",
    "intensity_p95": "95th percentile",
    "reference_voxels": "voxels of the reference region; 0 without one",
    "reference_signal": "its signal",
    "contrast_ratio_max": "contrast of the largest intensity against the reference signal",
    "contrast_ratio_median": "of the median",
    "contrast_ratio_mean": "of the mean",
    "contrast_form": "`difference-ratio`, (S - R) / R, or `quotient`, S / R",
    "reference_statistic": "what the reference signal is: `mean` or `median`",
    "flags": "reasons to doubt the row, joined by `;`",
}

RATERS = {
    "label": "label or group of labels",
    "kind": "`model-rater` or `rater-rater`; the two `..., mean` over the pairs of a kind; `model minus ceiling`",
    "first": "one side of the pair; the model is always first",
    "second": "the other",
    "n": "cases in the mean: those that everyone delineated",
    "n_subjects": "their subjects",
    "n_left_out": "cases that the row does not use",
    "mean": "mean Dice over cases",
    "sd": "standard deviation over cases",
    "low": "lower end of the interval of the mean, resampling subjects",
    "high": "upper end",
}

RATER_AGREEMENT = {
    **{name: AGREEMENT_MEANINGS[name] for name in RATER_COLUMNS if name in AGREEMENT_MEANINGS},
    "quantity": "what was measured, with its unit where it has one",
    "label": "label or group of labels",
    "kind": "`model-rater` or `rater-rater`, and the mean over the pairs of each",
    "first": "one side of the pair; differences are first minus second",
    "second": "the other",
    "n_left_out": "cases that the pair does not use",
}

LESIONS = {
    "case": "name of the case",
    "subject": "the person",
    "label": "the lesions' label",
    "connectivity": "what makes two voxels one lesion: `26`, or `in-plane-8`, in which slices are numbered apart",
    "lesion": "number of the lesion in its case, from 1",
    "voxels": "its size",
    "volume_ml": "its volume",
    "covered_share": "share of its voxels that are in the prediction, 0 to 1",
    "x_mm": "centroid, in mm to the right of the scanner's origin",
    "y_mm": "to the front",
    "z_mm": "upwards",
}

LESION_DETECTION = {
    "label": "the lesions' label",
    "connectivity": "as in `lesions.tsv`",
    "overlap_cutoff": "a lesion is detected when its covered share is above",
    "minimum_volume_ml": "smaller lesions are left out",
    "n_cases": "cases with such a lesion",
    "n_cases_without_lesion": "cases without one",
    "n_subjects": "subjects of the former",
    "n_lesions": "lesions, all cases pooled",
    "n_detected": "of these, the detected ones",
    "accuracy": "share of the lesions that was detected; undefined without a lesion",
}

LESION_SCORES = {
    "label": "the lesions' label",
    "size": "`all`, or a bin of volumes in words",
    "low_ml": "smallest volume of the bin, itself inside",
    "high_ml": "its end, itself outside",
    "policy": "which lesions of both sides belong together, see below",
    "overlap_cutoff": "share, or IoU one to one, that must be exceeded",
    "connectivity": "what makes two voxels one lesion",
    "n_scans": "scans, those without a lesion included",
    "n_subjects": "their subjects",
    "n_reference": "lesions of the reference in the bin, by their own volume",
    "n_found": "of these, the found ones",
    "n_missed": "and the others",
    "n_split": "lesions of the reference that share voxels with several predicted ones",
    "n_predicted": "predicted lesions in the bin, by their own volume",
    "n_true": "of these, the true ones",
    "n_false": "and the others",
    "n_merged": "predicted lesions that share voxels with several of the reference",
    "sensitivity": "share of the lesions of the reference that was found",
    "precision": "share of the predicted lesions that is true",
    "f1": "harmonic mean of the two; 0 when only one side has lesions, undefined when neither has",
    "f1_by_counts": "2 TP / (2 TP + FN + FP), TP being the found lesions; the same as `f1` one to one",
    "false_positives_per_scan": "predicted lesions that are not true, by the number of scans",
}

SCORES = {
    "method": "name given to the run",
    "seed": "which of the method's runs, from 0 in the order given; absent where every method has one run",
    "subject": "the person",
    "case": "name of the case",
    "label": "label, group or mean",
    "measure": "column of `per_case.tsv`",
    "value": "its value",
}

SUMMARY_JSON = {
    "bootstrap_draws": "resamples of subjects behind every interval",
    "seed": "of these resamples",
}
"""Fields of ``summary.json`` that say nothing of themselves."""

COMPARISON_JSON = {
    "neurograft": "version that wrote it",
    "methods": "folders of each method",
    "correction": "of p for the number of comparisons",
    "family": "what p was corrected over",
    "level": "coverage of all intervals",
    "seed": "of bootstrap and permutations",
    "comparison": "rows of `comparison.tsv`; undefined figures are null",
}

NUMBER_PAIRS = {
    "case": "key of the row, from the column that joined the tables",
    "subject": "the person",
    "label": "the quantity",
    "quantity": "column that was compared",
    "reference": "true number",
    "prediction": "predicted number",
}

BY_TABLE: Mapping[str, Mapping[str, str]] = {
    "per_case": CASE,
    "summary": SUMMARY_MEANINGS,
    "agreement": AGREEMENT_MEANINGS,
    "paired": PAIRED,
    "biomarkers": BIOMARKERS,
    "raters": RATERS,
    "rater_agreement": RATER_AGREEMENT,
    "lesions": LESIONS,
    "lesion_detection": LESION_DETECTION,
    "lesion_scores": LESION_SCORES,
    "scores": SCORES,
    "comparison": COMPARISON_MEANINGS,
    "number-pairs": NUMBER_PAIRS,
}
"""Meanings of the columns of each table; of ``per_case`` those that are no measure."""
