import base64
import io
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from neurograft.reports import EvaluationReport, write_evaluation_page
from neurograft.reports.evaluation_page import evaluation_page
from neurograft.reports.evaluation_tables import MOST_ROWS, cases_table, glance_table, measures_table

Make = Callable[..., EvaluationReport]
FOURTEEN = tuple(
    f"{side} {name}"
    for name in ("thalamus", "caudate", "putamen", "pallidum", "hippocampus", "amygdala", "accumbens")
    for side in ("Left", "Right")
)


def dots(page: str) -> int:
    return len(re.findall(r"<title>[^<]*_run-", page))


def test_page_names_no_address_of_another_place(make_evaluation: Make) -> None:
    page = evaluation_page(make_evaluation(cases=3))
    addresses = set(re.findall(r"(?:src|href|action|url)\s*[=(]\s*[\"']?([^\"')\s>]+)", page))
    assert addresses
    assert all(address.startswith(("#", "data:")) for address in addresses)
    assert set(re.findall(r"https?://[^\s\"'<]+", page)) <= {"http://www.w3.org/2000/svg"}
    assert "default-src 'none'" in page


def test_page_is_the_same_each_time(make_evaluation: Make) -> None:
    assert evaluation_page(make_evaluation(cases=3, labels=("LC",))) == evaluation_page(
        make_evaluation(cases=3, labels=("LC",))
    )


def test_parts_come_in_the_order_of_reading(make_evaluation: Make) -> None:
    page = evaluation_page(
        make_evaluation(
            swaps=("LC and SN seem exchanged in sub-001.",),
            raters=pd.DataFrame({"kind": ["model-rater"], "first": ["model"], "second": ["A"], "ccc": [0.8]}),
            comparison=pd.DataFrame({"first": ["a"], "second": ["b"], "p_t": [0.4], "verdict": ["Nothing shown."]}),
            further_tables={"Lesions": pd.DataFrame({"size": ["small"], "sensitivity": [0.4]})},
        )
    )
    parts = ("<h1>", 'class="question"', 'id="answer"', "seem exchanged", 'id="label-table"', 'id="measure-table"',
             'aria-label="Dice per case', 'aria-label="Predicted against reference volume of LC',
             'aria-label="Bland-Altman plot of volume of LC', 'id="agreement-table"', 'id="rater-table"',
             "Nothing shown.", 'id="comparison-table"', 'id="further-table-1"', 'id="slices"', 'id="case-table"',
             'id="facts"')  # fmt: skip
    places = [page.index(part) for part in parts]
    assert places == sorted(places)


def test_every_case_is_a_dot_of_every_measure(make_evaluation: Make) -> None:
    report = make_evaluation(labels=("LC",), cases=9, paired=None, agreement=None, examples=())
    measures = report.per_case.columns.drop(
        ["case", "subject", "label", "kind", "status", "reference_mm3", "prediction_mm3"]
    )
    assert dots(evaluation_page(report)) == 9 * len(measures)


def test_failures_are_crosses_and_counted(make_evaluation: Make) -> None:
    report = make_evaluation(failures=True, paired=None, agreement=None, examples=())
    page = evaluation_page(report)
    assert "sub-000_run-0: Dice 0.000 (prediction missing)" in page
    assert "a case whose prediction is missing" in page
    assert "Dice; 1 of 36 values are not defined and left out" in page
    assert "a case whose prediction is missing" not in evaluation_page(make_evaluation(cases=2, examples=()))
    glance = glance_table(report)
    failures = [row[glance.headings.index("Missing or empty")].text for row in glance.rows]
    assert failures == ["1 missing, 1 prediction empty, 1 reference empty, 1 both empty", "1 missing", "none"]


def test_penalised_failures_do_not_press_the_others_together(make_evaluation: Make) -> None:
    per_case = make_evaluation(failures=True).per_case
    failed = per_case["status"] == "prediction-missing"
    report = make_evaluation(
        per_case=per_case.assign(hd95_max_voxel_mm=per_case["hd95_max_voxel_mm"].mask(failed, 250.0)), examples=()
    )
    page = evaluation_page(report)
    assert "HD95 (larger direction, voxel boundary); 2 drawn at the right end lie beyond it" in page
    assert "HD95 250.0 mm (prediction missing)" in page


def test_glance_names_the_worst_case_and_another_n(make_evaluation: Make) -> None:
    report = make_evaluation(failures=True)
    table = glance_table(report)
    sound = report.per_case[(report.per_case["label"] == "LC") & (report.per_case["status"] == "ok")]
    worst = sound.loc[sound["dice"].idxmin()]
    row = {heading: cell.text for heading, cell in zip(table.headings, table.rows[0], strict=True)}
    assert row["Worst Dice, case"] == f"{worst['dice']:.3f}, {worst['case']}"
    assert row["Cases (subjects)"] == "11 (7)"
    assert next(text for heading, text in row.items() if heading.startswith("HD95")).endswith(", n 8")


def test_summary_holds_every_measure_with_its_policy(make_evaluation: Make) -> None:
    report = make_evaluation()
    table = measures_table(report)
    assert len(table.rows) == len(report.summary)
    assert table.rows[0][0].text == "Dice"
    assert any(text.startswith("policy: label absent from both") for text in table.in_every_row)
    first = {heading.replace("\N{NO-BREAK SPACE}", " "): cell.text
             for heading, cell in zip(table.headings, table.rows[0], strict=True)}  # fmt: skip
    expected = report.summary.iloc[0]
    assert first["Mean ± SD"] == f"{expected['mean']:.3f} ± {expected['sd']:.3f}"
    assert first["95 % interval of the mean"] == f"{expected['low']:.3f} to {expected['high']:.3f}"
    assert first["Worst"] == f"{expected['min']:.3f}"


def test_every_row_of_cases_can_be_saved(make_evaluation: Make) -> None:
    report = make_evaluation(examples=())
    address = re.search(r'href="data:text/csv;charset=utf-8;base64,([^"]+)"', evaluation_page(report))
    assert address is not None
    saved = pd.read_csv(io.BytesIO(base64.b64decode(address.group(1))), keep_default_na=False, na_values=[""])
    assert list(saved) == list(report.per_case)
    assert np.allclose(saved["dice"], report.per_case["dice"], rtol=1e-5, equal_nan=True)


def test_of_very_many_cases_the_worst_are_shown(make_evaluation: Make) -> None:
    per_case = pd.DataFrame(
        {
            "case": [f"c{place}" for place in range(MOST_ROWS + 3)],
            "label": "LC",
            "dice": np.linspace(1, 0.5, MOST_ROWS + 3),
        }
    )
    cases = cases_table(make_evaluation(per_case=per_case))
    assert cases.left_out == 3
    assert len(cases.table.rows) == MOST_ROWS
    assert cases.table.rows[0][0].text == "c3"


def test_unknown_columns_are_in_the_table_of_cases(make_evaluation: Make) -> None:
    report = make_evaluation()
    table = cases_table(make_evaluation(per_case=report.per_case.assign(flags="", contrast_ratio_max=0.25))).table
    assert table.headings[-1] == "Contrast ratio max"
    assert "Flags" not in table.headings


def test_only_case_and_label_are_needed() -> None:
    per_case = pd.DataFrame({"case": ["a", "b"], "label": "LC", "dice": [0.5, np.nan]})
    summary = pd.DataFrame({"label": ["LC"], "measure": ["dice"], "mean": [0.5]})
    page = evaluation_page(EvaluationReport("Small", "", per_case, summary))
    assert "LC: mean Dice 0.500 (no interval" in page
    for absent in ("agreement", "raters", "comparison", "slices", "facts"):
        assert f'id="{absent}"' not in page


def test_nothing_defined_is_said(make_evaluation: Make) -> None:
    per_case = pd.DataFrame({"case": ["a"], "label": ["LC"], "status": ["both-empty"], "dice": [np.nan]})
    summary = pd.DataFrame({"label": ["LC"], "measure": ["dice"], "mean": [np.nan], "n": [0]})
    paired = pd.DataFrame(
        {"case": ["a"], "label": ["LC"], "quantity": ["volume"], "reference": [np.nan], "prediction": [1.0]}
    )
    page = evaluation_page(EvaluationReport("Empty", "", per_case, summary, paired=paired))
    assert "mean Dice is not defined, since no case counts" in page
    assert "n = 0, 1 not defined and left out" in page
    assert not re.search(r"\bnan\b", re.sub(r"<(style|script).*?</\1>|base64,[^\"]*", "", page, flags=re.DOTALL))


def test_fourteen_labels_of_thirty_cases(make_evaluation: Make, tmp_path: Path) -> None:
    report = make_evaluation(labels=FOURTEEN, cases=30, failures=True, examples=())
    write_evaluation_page(report, tmp_path / "new" / "page.html")
    page = (tmp_path / "new" / "page.html").read_text("utf-8")
    assert page.count("Bland-Altman plot of volume") == 14
    assert "Over 14 labels, mean Dice runs from" in page
    assert len(page) < 4e6


def test_columns_are_explained(make_evaluation: Make) -> None:
    raters = pd.DataFrame({"first": ["a"], "second": ["b"], "bias": [0.1]})
    page = evaluation_page(make_evaluation(examples=(), raters=raters, meanings={"bias": "our own words"}))
    assert "intraclass correlation ICC(2,1) of Shrout and Fleiss" in page
    assert page.count("<dt>Bias</dt><dd>our own words</dd>") == 1
    assert page.count("<dt>Bias</dt><dd>mean difference, first - second</dd>") == 1


def test_tables_that_lack_what_is_needed_are_refused(make_evaluation: Make) -> None:
    report = make_evaluation()
    with pytest.raises(ValueError, match="table of cases lacks the columns label"):
        make_evaluation(per_case=report.per_case.drop(columns="label"))
    with pytest.raises(ValueError, match="paired measurements lacks the columns quantity"):
        make_evaluation(paired=pd.DataFrame(columns=["case", "label", "reference", "prediction"]))
    with pytest.raises(ValueError, match="no row"):
        make_evaluation(per_case=report.per_case.iloc[:0])
