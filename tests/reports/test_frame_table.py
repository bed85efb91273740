import pandas as pd

from neurograft.reports.frame_table import frame_table


def test_a_small_figure_beside_a_large_one_keeps_its_decimals() -> None:
    frame = pd.DataFrame(
        {
            "measure": ["dice", "volume_difference_mm3"],
            "difference": [0.0521, -310.4],
            "low": [0.0452, -400.2],
            "high": [0.0601, -201.7],
            "sd_difference": [0.031, 155.5],
        }
    )
    table = frame_table(frame)
    texts = [[cell.text for cell in row] for row in table.rows]
    assert texts[0][1] == "0.052 (0.045 to 0.060)"
    assert texts[0][2] == "0.031"
    assert "310" in texts[1][1]
    alone = frame_table(frame.iloc[:1])
    assert [cell.text for cell in alone.rows[0]][-2:] == texts[0][1:]


def test_numbers_of_people_that_come_as_text_have_no_decimals() -> None:
    frame = pd.DataFrame({"size": ["0", "2", "14"], "seconds": [3.25, 14.0, 20.5]})
    texts = [[cell.text for cell in row] for row in frame_table(frame).rows]
    assert texts == [["0", "3.25"], ["2", "14.00"], ["14", "20.50"]]
    with_all = frame.assign(size=["2", "14", "all"])
    assert [row[0].text for row in frame_table(with_all).rows] == ["2", "14", "all"]
