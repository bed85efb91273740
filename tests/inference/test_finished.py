"""What finished cases were made from, over a kill in the middle of a line."""

from pathlib import Path

from neurograft.inference.finished import FinishedCases, file_states


def test_a_case_is_known_by_what_it_was_made_from(tmp_path: Path) -> None:
    scan = tmp_path / "scan.nii.gz"
    scan.write_bytes(b"one")
    file = tmp_path / "finished.jsonl"
    made_from = {"files": file_states([scan, tmp_path / "none"]), "memory_mib": None}
    FinishedCases(file).add("a", made_from)
    assert FinishedCases(file).knows("a", made_from)
    scan.write_bytes(b"other")
    assert not FinishedCases(file).knows("a", {"files": file_states([scan, tmp_path / "none"]), "memory_mib": None})
    FinishedCases(file).forget()
    assert not FinishedCases(file).knows("a", made_from)


def test_a_line_that_was_cut_off_spoils_no_other(tmp_path: Path) -> None:
    file = tmp_path / "finished.jsonl"
    FinishedCases(file).add("a", {"memory_mib": 1})
    for torn in ('\n["b", {"memo', "\n3"):
        file.write_text(file.read_text("utf-8") + torn, "utf-8")
        FinishedCases(file).add("c", {"memory_mib": 3})
        found = FinishedCases(file)
        assert found.knows("a", {"memory_mib": 1})
        assert found.knows("c", {"memory_mib": 3})
        assert not found.knows("b", {"memory_mib": 2})
