import logging

import pytest

from neurograft.cohorts import read_table
from neurograft.errors import InputError


@pytest.fixture
def table(tmp_path, save):
    """Write a table from rows of cells; every path in it is written too, as label map or image."""

    def write(text, name="cohort.tsv", labels="index\tname\n1\tSNpc\n2\tLC\n", create=True):
        for cell in text.replace(",", "\t").replace("\n", "\t").split("\t") if create else []:
            if cell.strip().endswith(".nii"):
                save(cell.strip(), labels=(1, 2) if "label" in cell else None)
        if labels:
            (tmp_path / "labels.tsv").write_text(labels)
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def test_every_column_finds_its_place(table, tmp_path):
    path = table(
        "subject\tsession\timage\tlabel\tmask\tprior\treference_region\tlabel_state\tage\n"
        "p1\tm00\ta.nii\tlabel_a.nii\tm.nii\tp.nii\tr.nii\tSNpc=dense; LC=none\t71\n"
        "p1\tm12\tb.nii\tn/a\t\t\t\t\tn/a\n"
        "\n"
        "p2\t\tc.nii\tlabel_c.nii\t\t\t\tslices\t70\n"
    )
    cohort = read_table(path)
    first, second, third = cohort.cases
    assert (cohort.name, cohort.kind, cohort.channels) == (tmp_path.name, "table", ("image",))
    assert cohort.labels.names == ["SNpc", "LC"]
    assert [case.id for case in cohort.cases] == ["p1_m00", "p1_m12", "p2"]
    assert first.images == {"image": tmp_path / "a.nii"}
    assert first.label == tmp_path / "label_a.nii"
    assert (first.mask, first.prior, first.reference_region) == tuple(tmp_path / f"{n}.nii" for n in "mpr")
    assert first.label_state == {"SNpc": "dense", "LC": "none"}
    assert first.covariates == {"age": "71"}
    assert (second.label, second.mask, second.label_state, second.covariates) == (None, None, "none", {"age": ""})
    assert (third.session, third.label_state) == (None, "slices")


def test_commas_channels_and_a_byte_order_mark(table):
    path = table("\ufeffsubject,image_T1w,image_NM\ns, a.nii,b.nii\n", "mine.csv")
    cohort = read_table(path)
    assert cohort.name == "mine"
    assert cohort.channels == ("T1w", "NM")
    assert [file.name for file in cohort.cases[0].images.values()] == ["a.nii", "b.nii"]


def test_case_ids_are_made_unique_by_image_and_then_by_number(table):
    path = table("subject\timage\np\tx/a.nii\np\tb.nii\np\ty/a.nii\nq\tc.nii\n")
    assert [case.id for case in read_table(path).cases] == ["p_a_1", "p_b", "p_a_2", "q"]


def test_labels_without_names_are_called_by_value(table, save):
    path = table("subject\timage\tlabel\np\ta.nii\tlabel_a.nii\nq\tb.nii\tlabel_b.nii\n", labels=None)
    save("label_b.nii", labels=(1, 17))
    assert read_table(path).labels.names == ["label-1", "label-2", "label-17"]


def test_an_unreadable_label_map_is_left_to_the_check(table, tmp_path, caplog):
    path = table("subject\timage\tlabel\np\ta.nii\tlabel_a.nii\nq\tb.nii\tlabel_b.nii\n", labels=None)
    (tmp_path / "label_b.nii").write_text("no image")
    assert read_table(path).labels.names == ["label-1", "label-2"]
    assert "label_b.nii" in caplog.text


def test_a_label_table_can_be_given(table, tmp_path):
    path = table("subject\timage\tlabel\np\ta.nii\tlabel_a.nii\n", labels=None)
    (tmp_path / "names.tsv").write_text("index\tname\n2\tLC\n")
    assert read_table(path, label_table=tmp_path / "names.tsv").labels.names == ["LC"]


def test_a_misspelt_optional_column_is_pointed_out(table, caplog):
    with caplog.at_level(logging.WARNING):
        cohort = read_table(table("subject\timage\tlabels\np\ta.nii\tlabel_a.nii\n"))
    assert cohort.cases[0].label is None
    assert "'labels' is taken as a covariate; was 'label' meant?" in caplog.text


def test_the_nearest_file_is_suggested(table, save):
    save("images/patient_01.nii")
    path = table("subject\timage\np\timages/patient_1.nii\nq\tnowhere/x.nii\n", create=False)
    with pytest.raises(InputError, match=r"row 2.*2 files are missing.*Did you mean 'patient_01.nii'"):
        read_table(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("subjects\timage\np\ta.nii\n", "'subject' is missing.*Is it column 'subjects'"),
        ("subject,image\np,a.nii\n", "'subject' is missing"),
        ("subject\timg\np\ta.nii\n", "'image'.*missing.*Is it column 'img'"),
        ("subject\tage\np\t70\n", "'image'.*missing"),
        ("subject\timage\timage_T1w\np\ta.nii\tb.nii\n", "Keep one kind"),
        ("subject\timage\n", "holds no cases"),
        ("subject\timage\n\t\n", "holds no cases"),
        ("", "not a readable table"),
        ("subject\timage\n\ta.nii\n", "row 2: '' cannot be the identifier of a subject"),
        ("subject\timage\n../x\ta.nii\n", "row 2.*cannot be the identifier of a subject"),
        ("subject\tsession\timage\np\t1/2\ta.nii\n", "row 2.*cannot be the identifier of a session"),
        ("subject\timage\n\n\np\t\n", "row 4: column 'image' is empty"),
        ("subject\timage\np\ta.nii\nq\ta.nii\n", "rows 2 and 3 give the same image"),
        ("subject\timage\np\ta.nii\tx\ty\n", "more cells than the header"),
        ("subject\timage\tlabel\tlabel_state\np\ta.nii\tlabel_a.nii\tfull\n", "unknown label_state 'full'"),
        ("subject\timage\tlabel\tlabel_state\np\ta.nii\tlabel_a.nii\tSNPc=dense\n", "Did you mean 'SNpc'"),
        ("subject\timage\tlabel_state\np\ta.nii\tdense\n", "there is no label map"),
    ],
)
def test_faults_are_named(table, text, message):
    with pytest.raises(InputError, match=message):
        read_table(table(text))


def test_a_binary_file_is_no_table(tmp_path):
    path = tmp_path / "x.tsv"
    path.write_bytes(b"\x1f\x8b\x08\x00\xff\xfe\xfa")
    with pytest.raises(InputError, match="not a readable table"):
        read_table(path)
    with pytest.raises(InputError, match="no such cohort table"):
        read_table(tmp_path / "none.tsv")
