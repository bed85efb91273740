import re

import numpy as np
import pandas as pd
import pytest

from neurograft.reports.bland_altman_figure import agreement_words, bland_altman_figure
from neurograft.reports.identity_figure import identity_figure
from neurograft.reports.paired_measurements import PairedMeasurements, paired_measurements

REFERENCE = [100.0, 200.0, 300.0, 400.0]
PREDICTION = [110.0, 190.0, 330.0, 410.0]


def paired(prediction: list[float], reference: list[float] | None = None, **columns: object) -> pd.DataFrame:
    reference = REFERENCE[: len(prediction)] if reference is None else reference
    return pd.DataFrame(
        {
            "case": [f"case-{place}" for place in range(len(prediction))],
            "label": "LC",
            "quantity": "volume",
            "unit": "mm3",
            "reference": reference,
            "prediction": prediction,
            **columns,
        }
    )


def one(frame: pd.DataFrame) -> PairedMeasurements:
    (measured,) = paired_measurements(frame, 0.95)
    return measured


def places(svg: str, line: str) -> np.ndarray:
    start = svg.index(f'<g id="{line}"')
    found = re.findall(r'x="([\d.]+)" y="([\d.]+)"><title>', svg[start : svg.index("</g>", start)])
    return np.array(found, dtype=float)


def test_words_are_bias_and_limits_of_prediction_minus_reference() -> None:
    differences = np.array([10.0, -10.0, 30.0, 10.0])
    half = 1.96 * differences.std(ddof=1)
    words = agreement_words(one(paired(PREDICTION)))
    assert words.startswith("bias +10.00 (")
    assert f"limits −{half - 10:.2f} to +{10 + half:.2f} mm³; slope of difference on mean: p = " in words


def test_bland_altman_plot_shows_difference_against_mean() -> None:
    svg = bland_altman_figure(one(paired(PREDICTION)), "ba")
    shown = places(svg, "ba-dots")
    means, differences = (np.array(PREDICTION) + REFERENCE) / 2, np.array(PREDICTION) - REFERENCE
    assert np.corrcoef(shown[:, 0], means)[0, 1] == pytest.approx(1, abs=1e-4)
    assert np.corrcoef(shown[:, 1], -differences)[0, 1] == pytest.approx(1, abs=1e-4)
    assert "+10.00" in svg
    assert "<title>case-2: reference 300.0, prediction 330.0 mm³</title>" in svg


def test_scatter_is_on_equal_axes() -> None:
    svg = identity_figure(one(paired(PREDICTION)), "id")
    x, y = places(svg, "id-dots").T
    # One unit is as long across as up, up to the little that width and height of the axes differ.
    assert (x[-1] - x[0]) / 300 == pytest.approx((y[0] - y[-1]) / 300, rel=0.08)
    assert "4 cases, 3 of them above the line of identity" in svg


def test_two_subjects_have_no_limits() -> None:
    measured = one(paired(PREDICTION[:2]))
    assert not measured.has_limits
    assert agreement_words(measured) == "bias 0.000 mm³; too few subjects for limits of agreement"
    assert places(bland_altman_figure(measured, "ba"), "ba-dots").shape == (2, 2)


def test_cases_of_one_person_are_not_four_people() -> None:
    apart = one(paired(PREDICTION))
    together = one(paired(PREDICTION, subject=["a", "a", "b", "b"]))
    assert apart.has_limits
    assert together.analysis.n_subjects == 2
    assert not together.has_limits


def test_undefined_measurements_are_left_out_and_counted() -> None:
    measured = one(paired([110.0, np.nan, 330.0, 410.0], subject=["a", "b", None, "d"]))
    assert measured.cases == ("case-0", "case-2", "case-3")
    assert measured.analysis.n_left_out == 1
    assert measured.unit == "mm³"


@pytest.mark.parametrize("value", [0.0, 5.0])
def test_equal_values_can_be_drawn(value: float) -> None:
    measured = one(paired([value] * 4, [value] * 4))
    assert places(identity_figure(measured, "id"), "id-dots").shape == (4, 2)
    assert places(bland_altman_figure(measured, "ba"), "ba-dots").shape == (4, 2)


def test_quantities_keep_their_order_and_stand_together() -> None:
    frame = pd.concat(
        [
            paired(PREDICTION),
            paired(PREDICTION, quantity="contrast"),
            paired(PREDICTION, label="SN"),
        ]
    )
    found = [(measured.quantity, measured.label) for measured in paired_measurements(frame, 0.95)]
    assert found == [("volume", "LC"), ("volume", "SN"), ("contrast", "LC")]
