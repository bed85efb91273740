from pathlib import Path

from neurograft.models import AgeInfo, save_bundle
from neurograft.networks import UnitNetwork


def card(folder: Path, info, network: UnitNetwork) -> str:
    save_bundle(folder, info, network)
    return (folder / "README.md").read_text("utf-8")


def test_card_of_an_adapted_model(tmp_path: Path, network, make_info) -> None:
    text = card(tmp_path, make_info(), network)
    assert text.startswith("# lc-model\n")
    for line in (
        "made with neurograft 9.8.7",
        "| Labels | SNpc (1), LC (7) |",
        "| Input channels | NM |",
        "| 0.8 x 0.8 x 1.25 mm |",
        "| Strategy | freeze(up1) |",
        "| Source | snpc-model (abcdef012345) |",
        "| Training subjects | 8 (and 2 to choose the weights) |",
        "| Weights kept | best at step 60, validation Dice 0.8123 |",
        "| Seed | 3 |",
        "Tensors read from the source: 20 copied, 2 transplanted.",
        "Outputs that started from another label: LC from SNpc.",
        "scans are resampled to 0.8 x 0.8 x 1.25 mm",
        "Not a medical device",
        "--model lc-model",
    ):
        assert line in text, line
    for unit in network.units:
        assert f"| {unit.name} | 0.1 | train | 0.25 | no |" in text


def test_card_counts_parameters_and_not_statistics(tmp_path: Path, network, make_info) -> None:
    # Channels 2-3, conv-norm-act: 54+4+108+4, 162+6+243+6, 50+216+4+108+4, 9.
    assert sum(parameter.numel() for parameter in network.parameters()) == 978
    assert "978 parameters" in card(tmp_path, make_info(), network)


def test_card_of_a_model_without_a_source(tmp_path: Path, network, make_info) -> None:
    text = card(tmp_path, make_info(strategy="scratch", parent=None, label_from={}, loading={}), network)
    assert "| Source | none: trained from random weights |" in text
    assert "## What was transferred\n\nNothing." in text


def test_card_says_when_nobody_was_held_out(tmp_path: Path, network, make_info) -> None:
    info = make_info()
    sentence = "held out: the last weights were kept"
    assert sentence not in card(tmp_path / "a", info, network)
    info = make_info(training={**info.training, "validation_subjects": 0, "kept": "last"})
    assert sentence in card(tmp_path / "b", info, network)


def test_card_of_a_model_that_reads_ages(tmp_path: Path, network, make_info) -> None:
    age = AgeInfo(covariate="scan_age", mean=39.0, sd=2.456, training_mean=38.123)
    text = card(tmp_path / "a", make_info(age=age), network)
    line = "| Age | learnt from the column scan_age; mean of the training subjects 38.12, SD of the scale 2.46 |"
    assert f"| Trained on | {make_info().training['compute']} |" in text
    assert f"{line}\n| Seed | 3 |" in text
    assert "| Age |" not in card(tmp_path / "b", make_info(), network)


def test_text_of_the_user_is_not_run_as_a_template(tmp_path: Path, network, make_info) -> None:
    assert card(tmp_path, make_info(name="{{ 7 * 7 }}"), network).startswith("# {{ 7 * 7 }}\n")
