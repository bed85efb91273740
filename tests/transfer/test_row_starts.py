import pytest
import torch

from neurograft.errors import InputError
from neurograft.transfer import NetworkSide, average_with_source, load_source, plan_transfer
from neurograft.transfer.row_starts import merged_row, row_starts

SOURCE = ("background", "left hippocampus", "right hippocampus", "brain stem")


def test_rows_start_from_their_namesakes_unless_told_otherwise() -> None:
    outputs = ("background", "anterior", "posterior", "brain stem", "LC", "hippocampus")
    moves = {
        "anterior": "left hippocampus + right hippocampus",
        "posterior": "hippocampus",
        "brain stem": "",
        "hippocampus": "left hippocampus",
    }
    both = ("left hippocampus", "right hippocampus")
    assert row_starts(outputs, SOURCE, moves) == {
        "background": ("background",),
        "anterior": both,
        "posterior": both,
        "brain stem": (),
        "LC": (),
        "hippocampus": ("left hippocampus",),
    }


@pytest.mark.parametrize("text", ["amygdala", "left hippocampus + amygdala", "hippo"])
def test_unknown_names_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="the source has no label"):
        row_starts(["a"], SOURCE, {"a": text})
    with pytest.raises(InputError, match="the target has no label 'b'"):
        row_starts(["a"], SOURCE, {"b": "hippocampus"})


def test_merged_row_adds_log_odds_against_the_background() -> None:
    rows = torch.tensor([[1.0], [4.0], [0.5], [9.0]])
    merged = merged_row(rows, SOURCE, ("left hippocampus", "right hippocampus"), "background")
    # (4 - 1) + (0.5 - 1), above the background's 1.
    assert merged.tolist() == [3.5]
    assert merged_row(rows, SOURCE, ("brain stem",), "background").tolist() == [9.0]
    assert merged_row(rows[1:3], SOURCE[1:3], SOURCE[1:3], "background").tolist() == [2.25]


def test_head_starts_from_merged_rows(make_network) -> None:
    source, target = make_network(outputs=4, seed=1), make_network(outputs=3, seed=2)
    before = target.state_dict()["head.weight"].clone()
    sides = NetworkSide(["image"], ("background", "hippocampus", "LC")), NetworkSide(["image"], SOURCE)
    plan = plan_transfer("full", target.units)
    report = load_source(target, source.state_dict(), plan, *sides, {"hippocampus": "hippocampus", "LC": ""})
    head, theirs = target.state_dict()["head.weight"], source.state_dict()["head.weight"]
    torch.testing.assert_close(head[0], theirs[0])
    torch.testing.assert_close(head[1], theirs[1] + theirs[2] - theirs[0])
    assert torch.equal(head[2], before[2])
    assert report.fresh_outputs == ("LC",)
    why = next(row.why for row in report.rows if row.tensor == "head.weight")
    assert "left hippocampus + right hippocampus -> hippocampus; random start: LC" in why


def test_average_moves_back_what_was_copied_and_nothing_else(make_network) -> None:
    source, network = make_network(outputs=4, seed=1), make_network(outputs=3, seed=2)
    outputs = ("background", "left hippocampus", "LC")
    sides = NetworkSide(["image"], outputs), NetworkSide(["image"], SOURCE)
    report = load_source(network, source.state_dict(), plan_transfer("reset_head", network.units), *sides)
    assert all(row.action == "reset" for row in report.rows if row.unit == "head")
    report = load_source(network, source.state_dict(), plan_transfer("full", network.units), *sides)
    start = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if tensor.is_floating_point() and not name.startswith("down2"):
                tensor.add_(1.0)
    average_with_source(network, start, report, outputs, 0.25)
    for name, tensor in network.state_dict().items():
        if not tensor.is_floating_point() or name.startswith("down2"):
            # What did not learn is bit for bit what it was.
            assert torch.equal(tensor, start[name]), name
            continue
        moved = tensor - start[name]
        expected = torch.full_like(moved, 0.25)
        if name.startswith("head."):
            expected[2] = 1.0
        torch.testing.assert_close(moved, expected, msg=name)
