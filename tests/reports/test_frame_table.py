import numpy as np
import pandas as pd

from neurograft.evaluation.measures import MEASURES
from neurograft.reports.frame_table import frame_table
from neurograft.reports.measures import further_measures, heading_of, leading_measures, measure_of
from neurograft.reports.number_text import common_digits, counted, named, p_value


def test_interval_stands_beside_its_value() -> None:
    frame = pd.DataFrame(
        {"label": ["A", "B"], "ccc": [0.5, np.nan], "ccc_low": [0.25, np.nan], "ccc_high": [0.75, np.nan],
         "mean": [12.0, 9.0], "low": [11.0, 8.0], "high": [13.0, 10.0]}
    )  # fmt: skip
    table = frame_table(frame, level=0.9)
    assert [heading.replace("\N{NO-BREAK SPACE}", " ") for heading in table.headings] == [
        "Label", "CCC (90 % interval)", "Mean (90 % interval)",
    ]  # fmt: skip
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["A", "0.500 (0.250 to 0.750)", "12.00 (11.00 to 13.00)"],
        ["B", "–", "9.00 (8.00 to 10.00)"],
    ]
    assert table.rows[1][1].order is None
    assert table.numeric == (False, True, True)


def test_interval_of_a_difference_is_not_that_of_a_mean() -> None:
    frame = pd.DataFrame({"mean": [0.5], "difference": [0.1], "low": [-0.1], "high": [0.3]})
    assert [cell.text for cell in frame_table(frame).rows[0]] == ["0.500", "0.100 (−0.100 to 0.300)"]
    mixed = frame.assign(mixed_difference=0.2, mixed_low=0.0, mixed_high=0.4)
    assert frame_table(mixed).rows[0][-1].text == "0.200 (0.000 to 0.400)"


def test_what_is_the_same_or_undefined_in_every_row_is_said_below() -> None:
    frame = pd.DataFrame(
        {"label": ["A", "B"], "correction": "holm", "n_subjects": 12, "mixed_p": [np.nan, None], "p_t": [0.0001, 0.2]}
    )
    table = frame_table(frame)
    assert table.headings == ("Label", "p, paired t")
    assert table.in_every_row == ("Correction holm", "Subjects 12", "not defined: Mixed p")
    assert [row[1].text for row in table.rows] == ["< 0.001", "0.200"]
    assert len(frame_table(frame.iloc[:1]).headings) == 5


def test_kinds_of_columns() -> None:
    frame = pd.DataFrame(
        {"found": [True, False], "n": [3.0, np.nan], "note": [None, "few"], "volume_mm3": [1234.5, 99.0],
         "measure": ["dice", "hd95_max_voxel_mm"], "objects": np.array([1.5, None], dtype=object)}
    )  # fmt: skip
    table = frame_table(frame)
    assert table.headings == ("Found", "n", "Note", "Volume, mm³", "Measure", "Objects")
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["yes", "3", "–", "1234", "Dice", "1.500"],
        ["no", "–", "few", "99", "HD95, mm (larger direction, voxel boundary)", "–"],
    ]
    assert table.numeric == (False, True, False, True, False, True)


def test_every_measure_has_a_heading_and_is_shown_once() -> None:
    shown = [measure.column for measure in (*leading_measures(MEASURES), *further_measures(MEASURES))]
    assert sorted([*shown, "reference_mm3", "prediction_mm3"]) == sorted(MEASURES)
    names = [measure_of(name).in_full for name in MEASURES]
    assert len(set(names)) == len(names)
    assert not any("_" in name for name in names)


def test_first_definition_that_is_there_leads() -> None:
    columns = ["hd95_pooled_element_mm", "hd95_pooled_voxel_mm", "dice", "iou", "other"]
    assert [measure.column for measure in leading_measures(columns)] == ["dice", "hd95_pooled_voxel_mm"]
    assert [measure.column for measure in further_measures(columns)] == ["iou", "hd95_pooled_element_mm"]


def test_headings_of_other_columns() -> None:
    assert heading_of("icc_2_1") == "ICC(2,1)"
    assert heading_of("hedges_g") == "Hedges’ g"
    assert heading_of("smallest_detectable_change") == "Smallest detectable change"
    assert measure_of("lesion_volume_ml").with_unit == "Lesion volume, mL"


def test_number_words() -> None:
    assert [common_digits([0.1, value]) for value in (9.99, 9.9999, 12.0, -99.99, 100.0, 999.99, np.nan)] == [
        3, 2, 2, 2, 1, 0, 3,
    ]  # fmt: skip
    assert [p_value(value) for value in (0.0004, 0.0005, 0.2, np.nan)] == ["< 0.001", "0.001", "0.200", "–"]
    assert [counted(1, "case"), counted(0, "case"), counted(2, "person", "people")] == ["1 case", "0 cases", "2 people"]
    assert named("abcde") == "a, b, c, d, e"
    assert named("abcdef") == "a, b, c, d and 2 more"
