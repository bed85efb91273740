"""P4's demonstration: who learns and who is tested, the tables, and a whole run of a step a model."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from neurograft.cohorts import open_cohort
from neurograft.demos import sources as plan
from neurograft.demos import sources_data as data
from neurograft.demos.run import run_demo
from neurograft.demos.sources_runs import SourcesResult, _target_request
from neurograft.demos.sources_tables import NO_FILE, sources_sentences, sources_summary, sources_table, sources_verdicts
from neurograft.demos.subcortical_data import STRUCTURES
from neurograft.errors import InputError
from neurograft.models import open_bundle
from neurograft.phantoms import make_lesion_cohort

TISSUES = {
    "left cerebral white matter": "Left Cerebral White Matter",
    "left cerebral cortex": "Left MFG   middle frontal gyrus",
    "left lateral ventricle": "Left Lateral Ventricle",
}
NAMES = {**TISSUES, **{theirs: name for name, theirs in STRUCTURES.items()}}
"""Names of the label maps, and those of the real scans."""


def test_seven_sources_and_a_random_start_of_every_width() -> None:
    assert len(plan.OWN_SOURCES) == 6
    for with_imagenet, seventh in ((True, plan.IMAGENET), (False, plan.STAND_IN)):
        models = plan.source_models(16, with_imagenet)
        assert [model.name for model in models[-3:]] == ["random start", seventh, "random start, full width"]
        assert [model.stem_channels for model in models[-3:]] == [0, 64, 64]
        assert len({model.folder for model in models}) == 9
    assert [model.name for model in plan.source_models(64, True)][-2:] == ["ImageNet", "random start"]
    full = [model.name for model in plan.source_models(64, False)]
    assert full == [*(model.name for model in plan.OWN_SOURCES), "random start"], "one of them is as wide as it"


def test_imagenets_stand_in_is_a_classifier_of_pictures_of_full_width() -> None:
    stand_in = plan.source_models(16, False)[-2]
    recipe = plan.SMALL_SOURCES.source_recipe(stand_in)
    narrow = plan.SMALL_SOURCES.source_recipe(plan.OWN_SOURCES[-1])
    assert (narrow.network.stem_channels, recipe.network.stem_channels) == (16, 64)
    wide = narrow.network.model_copy(update={"stem_channels": 64})
    assert recipe == narrow.model_copy(update={"network": wide})


def test_both_plans_make_recipes_and_the_full_one_is_the_papers() -> None:
    for each in (plan.SMALL_SOURCES, plan.FULL_SOURCES):
        for model in plan.OWN_SOURCES:
            recipe = each.source_recipe(model)
            assert (recipe.preparation.space == "mni152") == (model.domain == "MRI")
        for target in each.targets():
            assert each.target_recipe(target, plan.OWN_SOURCES[0]).network.name == "encoder_decoder2d"
    full = plan.FULL_SOURCES.source_recipe(plan.OWN_SOURCES[0])
    assert full.preparation.crop_size == (256, 256, None)
    made = plan.FULL_SOURCES.source_recipe(plan.OWN_SOURCES[1])
    steps = 30 * (20 + 10) * made.sampling.patches_per_subject / made.sampling.batch_size
    assert made.task.adversary is not None
    assert made.task.adversary.from_step < steps / 2, "20 label maps and 10 people: the discriminator takes part"
    assert (full.network.stem_channels, full.budget, full.task.class_weights) == (64, "30epochs", "median_frequency")


@pytest.mark.parametrize(
    ("name", "tissue"),
    [
        ("Left Inf Lat Vent", "fluid"),
        ("Left Ventral DC", "white matter"),
        ("Brain Stem", "white matter"),
        ("left cerebellum white matter", "white matter"),
        ("Right OFuG  occipital fusiform gyrus", "other grey matter"),
        ("Right Cerebral Exterior", None),
        ("RED", None),
    ],
)
def test_structures_are_tissues_by_their_words(name: str, tissue: str | None) -> None:
    assert data.tissue_of(name) == tissue


def _head(generator: np.random.Generator) -> dict[str, np.ndarray]:
    """A ball of cortex round white matter, with a ventricle and blocks of the structures."""
    shape = (32, 36, 32)
    places = np.indices(shape) - np.array([16, 18, 16])[:, None, None, None]
    distance = ((places / np.array([14, 16, 14])[:, None, None, None]) ** 2).sum(0)
    parts = {"left cerebral cortex": distance < 1, "left cerebral white matter": distance < 0.8}
    parts["left lateral ventricle"] = np.zeros(shape, bool)
    parts["left lateral ventricle"][15:18, 10:24, 22:26] = True
    for number, theirs in enumerate(STRUCTURES.values()):
        start = 9 + 2 * (number // 2) + generator.integers(0, 2)
        parts[theirs] = np.zeros(shape, bool)
        parts[theirs][slice(8, 13) if theirs.startswith("left") else slice(19, 24), start : start + 2, 12:18] = True
    return parts


@pytest.fixture(scope="module")
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both data sets with three maps and four people, in their own forms."""
    root = tmp_path_factory.mktemp("data")
    generator = np.random.default_rng(5)
    maps, scans = root / "brain-label-maps", root / "miccai2012-train"
    maps.mkdir()
    values = {name: 10 + place for place, name in enumerate(NAMES)}
    rows = ["index\tsegmentation_index\tsegmentation_name\tintensity_class", "0\t0\tbackground\t0"]
    rows += [f"{value}\t{value}\t{name}\t{value}" for name, value in values.items()]
    (maps / "labels.tsv").write_text("\n".join(rows) + "\n")
    for number in range(3):
        head = np.zeros((32, 36, 32), np.int16)
        for name, part in _head(generator).items():
            head[part] = values[name]
        nib.save(nib.Nifti1Image(head, np.eye(4)), maps / f"seg_{number}.nii.gz")
    manual = scans / "derivatives" / "manual"
    manual.mkdir(parents=True)
    for folder, kind in ((scans, "raw"), (manual, "derivative")):
        description = {"Name": "x", "BIDSVersion": "1.8.0", "DatasetType": kind, "GeneratedBy": [{"Name": "x"}]}
        (folder / "dataset_description.json").write_text(json.dumps(description))
    lines = [f"{value}\t{NAMES[name]}" for name, value in values.items()]
    (manual / "dseg.tsv").write_text("\n".join(["index\tname", *lines, "99\tRED"]) + "\n")
    for number in range(4):
        image, label = np.zeros((32, 36, 32), np.float32), np.zeros((32, 36, 32), np.int16)
        for place, (name, part) in enumerate(_head(generator).items()):
            image[part], label[part] = 1000 - 40 * place, values[name]
        # A coarse pattern of each one's own, or the guard would take all for one person.
        image[image > 0] += np.kron(generator.normal(0, 150, (8, 9, 8)), np.ones((4, 4, 4)))[image > 0]
        for folder, suffix, array in ((scans, "T1w", image), (manual, "dseg", label)):
            anat = folder / f"sub-{number}" / "anat"
            anat.mkdir(parents=True)
            nib.save(nib.Nifti1Image(array, np.eye(4)), anat / f"sub-{number}_{suffix}.nii.gz")
    return root


NATIVE = (
    "preparation.space=native",
    "preparation.spacing_mm=null",
    "preparation.crop_size=[32,64,null]",
    "sampling.patch_size=[32,64,1]",
    "inference.window=[32,64,16]",
)
TINY = replace(
    plan.SMALL_SOURCES,
    sizes=(2, 3),
    shared_people=2,
    test_people=2,
    pictures=12,
    picture_side=32,
    lesion_people=2,
    lesion_test=2,
    source_budget="1steps",
    anatomy_budget="1steps",
    lesion_budget="1steps",
    spacing_mm=1.0,
    overrides=(
        "network.stem_channels=4",
        "network.channels=[2,2,4,4,4]",
        "sampling.batch_size=2",
        "compute.device=cpu",
        "compute.precision=fp32",
        "compute.channels_last=false",
        "compute.threads=1",
    ),
    of_scans=NATIVE,
    of_lesions=(*NATIVE, "preparation.crop_size=[64,64,null]", "sampling.patch_size=[64,64,1]"),
    of_pictures=(*NATIVE, "preparation.crop_size=[32,32,null]", "sampling.patch_size=[32,32,1]"),
    of_autoencoding=("task.adversary.channels=[2,2,2,2]", "task.adversary.from_step=0"),
    of_classification=("network.classifier_features=8",),
)
THREE = (plan.OWN_SOURCES[0], plan.OWN_SOURCES[2], plan.OWN_SOURCES[4])


@pytest.fixture(scope="module")
def out(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole demonstration with three of the sources."""
    folder = tmp_path_factory.mktemp("sources") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("neurograft.demos.run.SMALL_SOURCES", TINY)
        patch.setattr(plan, "OWN_SOURCES", THREE)
        patch.setattr(plan, "FULL_WIDTH", 8)
        patch.setattr(data, "make_lesion_cohort", lambda *args: make_lesion_cohort(*args[:4], spacing_mm=4.0))
        outcomes = run_demo("sources", folder, data_root, False, "neurograft demo --dataset sources")
    rows = outcomes["sources"].rows
    names = [row[0] for row in rows]
    assert names == [*(model.name for model in THREE), plan.STAND_IN, "random start", "random start, full width"]
    assert {row[-2:] for row in rows[3:4]} == {("0.52", "0.17")}
    return folder


def test_nobody_tested_has_been_seen_by_a_source(out: Path, data_root: Path) -> None:
    tested = set(pd.read_csv(out / "sources-scores.tsv", sep="\t", dtype=str)["subject"])
    source = open_bundle(out / "models" / "source-MRI-segmentation").info
    learnt = {str(entry["name"]): set(entry["subjects"]) for entry in source.training_subjects}
    assert {name: len(people) for name, people in learnt.items()} == {"made": 3, "miccai2012-train": 2}
    real = set(open_cohort(data_root / "miccai2012-train").subjects)
    assert len(tested & real) == 2
    by_hash = {hashlib.sha256(person.encode()).hexdigest(): person for person in real}
    assert {by_hash[person] for person in learnt["miccai2012-train"]} == real - tested


def test_everybody_tested_is_tested_at_every_size_by_models_that_have_not_seen_them(data_root: Path) -> None:
    cohort = open_cohort(data_root / "miccai2012-train")
    scans = data.SourcesScans(cohort, cohort, cohort, cohort.subjects[:2], cohort, cohort)
    targets = [target for target in TINY.targets() if target.kind == "anatomy"]
    assert [(target.people, target.part, target.parts) for target in targets] == [(2, 0, 1), (3, 0, 2), (3, 1, 2)]
    for target in targets:
        learners, tested = scans.learners(target).subjects, scans.tested(target).subjects
        assert len(learners) == target.people
        assert not set(learners) & set(tested)
        assert not set(tested) & set(scans.shared)
    tested = [person for target in targets[1:] for person in scans.tested(target).subjects]
    assert sorted(tested) == sorted(scans.tested(targets[0]).subjects) == sorted(cohort.subjects[2:])
    assert len({target.folder for target in targets}) == 3


def test_sizes_that_cannot_test_everybody_alike_are_refused() -> None:
    with pytest.raises(ValueError, match="7 people leave 8 to test, which does not divide 10"):
        replace(plan.SMALL_SOURCES, sizes=(7,)).targets()
    assert [target.parts for target in replace(plan.SMALL_SOURCES, sizes=(10, 13)).targets()][:7] == [2] * 2 + [5] * 5


def test_a_part_of_the_data_set_is_refused(data_root: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="4 people with labels, where 7 are expected"):
        data.sources_scans(replace(TINY, test_people=5, shared_people=2, pictures=1), tmp_path, data_root)


def test_sources_learn_what_they_are_for(out: Path) -> None:
    made = {model.name: open_bundle(out / "models" / f"source-{model.folder}") for model in THREE}
    assert made["MRI, segmentation"].labels.names == list(plan.TISSUES)
    assert made["MRI, segmentation"].info.recipe.task.class_weight_values is not None
    assert made["MRI, classification"].labels.names == list(STRUCTURES)
    assert made["pictures, autoencoding"].info.channels == ["red", "green", "blue"]


def test_the_loading_report_tells_what_each_target_took(out: Path) -> None:
    loading = pd.read_csv(out / "sources-loading.tsv", sep="\t", keep_default_na=False)
    of = loading[(loading["source"] == "pictures, autoencoding") & (loading["target"] == "lesions")]
    assert set(of.loc[of["unit"].isin(["layer1", "layer4", "latent"]), "action"]) == {"copied"}
    assert set(of.loc[of["unit"].isin(["start", "up1", "head"]) & (of["target_shape"] != "()"), "action"]) == {"reset"}
    assert "adapted" in set(of.loc[of["unit"] == "stem", "action"])
    wide = loading[(loading["source"] == plan.STAND_IN) & (loading["target"] == "lesions")]
    assert set(wide.loc[wide["unit"].isin(["layer1", "layer4"]), "action"]) == {"copied"}
    assert "adapted" in set(wide.loc[wide["unit"] == "stem", "action"]), "three colours become one channel"
    own = loading[(loading["source"] == "MRI, segmentation") & (loading["target"] == "anatomy")]
    assert set(own.loc[own["unit"] == "stem", "action"]) == {"copied"}
    random = loading[loading["source"] == "random start"]
    assert set(random["action"]) == {"reset"}


def test_the_demo_leaves_tables_and_a_page(out: Path) -> None:
    text = (out / "sources.md").read_text("utf-8")
    for words in (
        "mIoU of slices, anatomy, 2 people",
        "Lesions touched",
        "Units that come from it",
        "stands a ResNet-50",
    ):
        assert words in text
    assert "Test people, anatomy, 2 people" in text
    html = (out / "sources.html").read_text("utf-8")
    assert "What every source gives every target" in html
    scores = pd.read_csv(out / "sources-scores.tsv", sep="\t")
    anatomy = scores[(scores["target"] == "anatomy") & (scores["kind"] == "label")]
    assert set(anatomy["label"]) == set(STRUCTURES)
    detection = pd.read_csv(out / "sources-detection.tsv", sep="\t")
    assert set(detection["minimum_volume_ml"]) == {0, 1, 2}
    assert set(detection["overlap_cutoff"]) == {0, 0.2}


def made_result() -> SourcesResult:
    """Eight people about a mean Dice each, for three sources and one target."""
    generator = np.random.default_rng(0)
    rows, models = [], []
    for source, dice in {"MRI, segmentation": 0.7, "pictures, segmentation": 0.5, "random start": 0.5}.items():
        key = {"source": source, "target": "anatomy", "people": 3, "draw": 0, "part": 0}
        for person in range(8):
            value = dice + generator.normal(0, 0.01)
            figures = {"dice": value, "iou": value / 2, "dice_slices": value, "iou_slices": value / 2}
            whose = {"case": f"c{person}", "subject": f"s{person}", "label": "mean", "kind": "mean"}
            rows.append({**key, **whose, **figures})
        models.append({**key, "seconds": 10.0})
        models.append({**key, "target": "source", "people": 0, "seconds": 99.0})
    nothing = pd.DataFrame(columns=["source", "target", "people", "connectivity", "overlap_cutoff", "minimum_volume_ml",
                                    "accuracy", "size", "precision"])  # fmt: skip
    return SourcesResult(pd.DataFrame(rows), pd.DataFrame(models), pd.DataFrame(), nothing, nothing, {})


def test_sentences_follow_from_figures() -> None:
    result = made_result()
    summary, verdicts = sources_summary(result), sources_verdicts(result)
    row = summary.set_index("source").loc["MRI, segmentation"]
    assert row["dice"] == pytest.approx(0.7, abs=0.01)
    assert (row["seconds"], row["source_seconds"]) == (10, 99)
    words = sources_sentences(summary, verdicts)
    assert "from MRI, segmentation" in words[0]
    assert "better than a random start: 1 of 2" in words[1]
    table = sources_table(summary)
    assert [row[0].text for row in table.rows][-2:] == [f"ImageNet ({NO_FILE})", "random start"]


def test_only_imagenets_row_reads_its_file(data_root: Path, tmp_path: Path) -> None:
    cohort = open_cohort(data_root / "miccai2012-train")
    scans = data.SourcesScans(cohort, cohort, cohort, cohort.subjects[:2], cohort, cohort)
    file = tmp_path / "resnet50.pth"
    for model in plan.source_models(16, True)[-3:]:
        request = _target_request(TINY, scans, model, TINY.targets()[0], None, file, tmp_path / "out")
        assert request.encoder_weights == (file if model.name == "ImageNet" else None)
        assert request.recipe.network.stem_channels == (4 if model.name == "random start" else 64)


def test_what_cannot_be_used_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be downloaded"):
        run_demo("sources", tmp_path / "out", None, False, "x")
    with pytest.raises(InputError, match="no use for ImageNet"):
        run_demo("ages", tmp_path / "out", None, False, "x", imagenet=tmp_path)
    with pytest.raises(InputError, match="no such file"):
        run_demo("sources", tmp_path / "out", tmp_path, False, "x", imagenet=tmp_path / "none.pth")
    with pytest.raises(InputError, match="brain-label-maps"):
        run_demo("sources", tmp_path / "out", tmp_path, False, "x")
