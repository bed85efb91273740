import numpy as np
import pytest

from neurograft.cohorts import check_cohort, open_cohort

CLEAN = "subject\timage\tlabel\np\ta.nii\tla.nii\nq\tb.nii\tlb.nii\n"


@pytest.fixture
def cohort(tmp_path, save):
    """Two sound cases, unless changed: `change` may rewrite files before the cohort is opened."""

    def make(change=lambda: None, table=CLEAN):
        for name in "ab":
            save(f"{name}.nii", spacing_mm=2)
            save(f"l{name}.nii", spacing_mm=2, labels=(1, 1, 2))
        (tmp_path / "labels.tsv").write_text("index\tname\n1\tSNpc\n2\tLC\n")
        (tmp_path / "cohort.tsv").write_text(table)
        change()
        return open_cohort(tmp_path)

    return make


def found(report):
    return [(problem.severity, problem.case, problem.text) for problem in report.problems]


def test_a_sound_cohort_has_rows_and_no_problem(cohort):
    steps = []
    report = check_cohort(cohort(), progress=lambda done, total: steps.append((done, total)))
    first = report.rows[0]
    assert (first.id, first.subject, first.shape, first.spacing_mm, first.orientation) == (
        "p",
        "p",
        (6, 7, 8),
        (2.0, 2.0, 2.0),
        "RAS",
    )
    assert first.labels == ("SNpc", "LC")
    assert first.volume_mm3 == pytest.approx({"SNpc": 16.0, "LC": 8.0})
    assert first.label_state == "dense"
    assert report.problems == ()
    assert not report.stops_training
    assert steps == [(1, 2), (2, 2)]


def test_one_worker_and_many_find_the_same(cohort):
    opened = cohort()
    assert check_cohort(opened, workers=1).to_dict() == check_cohort(opened, workers=5).to_dict()


@pytest.mark.parametrize(
    ("file", "content", "severity", "text"),
    [
        ("a.nii", {"data": np.full((6, 7, 8), np.nan, np.float32), "spacing_mm": 2}, "error", "336 voxels are NaN"),
        ("a.nii", {"data": np.ones((6, 7, 8), np.float32), "spacing_mm": 2}, "warning", "every voxel is 1"),
        ("la.nii", {"labels": (1, 2), "spacing_mm": 1}, "error", "lie on different grids"),
        ("la.nii", {"labels": (1, 7, 9), "spacing_mm": 2}, "warning", "values 7, 9 not in the label table"),
        ("la.nii", {"labels": (0,), "spacing_mm": 2}, "warning", "the label map holds no label"),
        ("la.nii", {"data": np.full((6, 7, 8), 0.5, np.float32), "spacing_mm": 2}, "error", "integers"),
    ],
)
def test_a_fault_in_one_case_is_found(cohort, save, file, content, severity, text):
    report = check_cohort(cohort(lambda: save(file, **content)))
    (problem,) = report.problems
    assert (problem.severity, problem.case, problem.file.name) == (severity, "p", file)
    assert text in problem.text
    assert problem.mend
    assert report.stops_training == (severity == "error")


def test_unreadable_files_are_each_reported_and_the_rest_is_still_checked(cohort, tmp_path):
    def damage():
        (tmp_path / "a.nii").write_bytes((tmp_path / "a.nii").read_bytes()[:500])
        (tmp_path / "la.nii").write_text("text")

    report = check_cohort(cohort(damage))
    assert [(problem.severity, problem.file.name) for problem in report.problems] == [
        ("error", "a.nii"),
        ("error", "la.nii"),
    ]
    assert report.rows[0].shape is None
    assert report.rows[1].labels == ("SNpc", "LC")


def test_label_maps_that_are_all_empty_stop_training(cohort, save):
    report = check_cohort(cohort(lambda: [save(f"l{name}.nii", spacing_mm=2, labels=(0,)) for name in "ab"]))
    assert report.problems[0].text == "no label of the table occurs in any label map"
    assert report.stops_training
    assert [severity for severity, _, _ in found(report)] == ["error", "warning", "warning"]


def test_a_label_that_no_case_has_warns_and_stops_what_requires_it(cohort, save):
    opened = cohort(lambda: [save(f"l{name}.nii", spacing_mm=2, labels=(1,)) for name in "ab"])
    assert found(check_cohort(opened)) == [("warning", None, "1 of 2 labels are absent from every case: LC")]
    assert found(check_cohort(opened, required_labels=["LC"])) == [
        ("error", None, "label 'LC' is absent from every case")
    ]


def test_copies_between_subjects_are_an_error_and_within_one_a_warning(cohort, save, tmp_path):
    def copy():
        (tmp_path / "b.nii").write_bytes((tmp_path / "a.nii").read_bytes())

    report = check_cohort(cohort(copy))
    assert found(report) == [("error", "q", "the same image as case p, of another subject (p)")]
    same_subject = check_cohort(cohort(copy, CLEAN.replace("q\t", "p\t")))
    assert [severity for severity, _, _ in found(same_subject)] == ["warning", "note"]
    assert "1 of 1 subjects have several cases, at most 2" in same_subject.problems[1].text


def test_a_rescaled_copy_of_another_subject_warns(cohort, save):
    image = np.random.default_rng(0).normal(100, 20, (30, 30, 30)).astype(np.float32)
    labels = np.zeros(image.shape, np.uint8)
    labels[10:12], labels[12:14] = 1, 2

    def copy():
        save("a.nii", image), save("b.nii", image * 2)
        save("la.nii", labels), save("lb.nii", labels)

    ((severity, case, text),) = found(check_cohort(cohort(copy)))
    assert (severity, case) == ("warning", "q")
    assert text.startswith("nearly the same image")


def test_channels_and_masks_must_share_the_grid(cohort, save):
    def add():
        save("c.nii", spacing_mm=3), save("m.nii", spacing_mm=1)

    table = "subject\timage_T1w\timage_NM\tlabel\tmask\np\ta.nii\tc.nii\tla.nii\tm.nii\n"
    errors = found(check_cohort(cohort(add, table)))
    assert [text.split(":")[0] for _, _, text in errors] == [
        "channel 'NM' lies on another grid",
        "the mask and the image lie on different grids",
    ]


def test_label_states_are_respected(cohort, save):
    table = "subject\timage\tlabel\tlabel_state\np\ta.nii\tla.nii\tSNpc=dense;LC=none\nq\tb.nii\tlb.nii\tnone\n"
    report = check_cohort(cohort(table=table))
    assert found(report) == [("warning", "p", "label 'LC' is present although its label_state is none")]
    assert report.rows[1].volume_mm3 == {}


def test_a_cohort_without_labels_stops_training(cohort):
    report = check_cohort(cohort(table="subject\timage\np\ta.nii\n"))
    assert found(report) == [("error", None, "no case has a label map")]


def test_slices_need_a_word_on_which(cohort):
    table = (
        "subject\timage\tlabel\tlabel_state\tlabel_axis\np\ta.nii\tla.nii\tslices\t\nq\tb.nii\tlb.nii\tslices\taxial\n"
    )
    assert found(check_cohort(cohort(table=table))) == [
        (
            "warning",
            "p",
            "SNpc, LC is annotated in some slices only in case p (label_state slices), "
            "so its voxels elsewhere would pass for background",
        )
    ]
