import hashlib
import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from neurograft.errors import InputError
from neurograft.models import open_bundle, save_bundle


class Bomb:
    """Runs code when it is unpickled: makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[Path]]:
        return (Path.touch, (self.path,))


@pytest.fixture
def bundle(tmp_path: Path, network, make_info) -> Path:
    folder = tmp_path / "run" / "model"
    save_bundle(folder, make_info(), network)
    return folder


def change(bundle: Path, **changes: Any) -> None:
    tree = json.loads((bundle / "bundle.json").read_text())
    (bundle / "bundle.json").write_text(json.dumps({**tree, **changes}))


def test_round_trip_is_bit_exact(bundle: Path, network, make_info) -> None:
    opened = open_bundle(bundle)
    state = network.state_dict()
    assert set(opened.state) == set(state)
    for name, tensor in state.items():
        assert opened.state[name].dtype == tensor.dtype
        assert torch.equal(opened.state[name], tensor), name
    rebuilt = opened.network()
    assert not rebuilt.training
    image = torch.randn((1, 1, 4, 4, 4), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.equal(rebuilt(image), network.eval()(image))
    digest = hashlib.sha256((bundle / "model.safetensors").read_bytes()).hexdigest()
    assert opened.info == make_info().model_copy(update={"weights_sha256": digest})
    assert sorted(entry.name for entry in bundle.iterdir()) == ["README.md", "bundle.json", "model.safetensors"]


def test_names_of_both_ends(bundle: Path) -> None:
    opened = open_bundle(bundle)
    assert opened.labels.names == ["SNpc", "LC"]
    assert opened.labels.values == [1, 7]
    assert list(opened.side.channels) == ["NM"]
    assert opened.side.outputs == ("background", "SNpc", "LC")


def test_saving_twice_gives_the_same_bytes(bundle: Path, tmp_path: Path, network, make_info) -> None:
    save_bundle(tmp_path / "again", make_info(), network)
    for name in ("model.safetensors", "bundle.json", "README.md"):
        assert (tmp_path / "again" / name).read_bytes() == (bundle / name).read_bytes()


def test_channels_last_weights_are_saved_alike(bundle: Path, tmp_path: Path, network, make_info) -> None:
    save_bundle(tmp_path / "last", make_info(), network.to(memory_format=torch.channels_last_3d))
    assert (tmp_path / "last" / "model.safetensors").read_bytes() == (bundle / "model.safetensors").read_bytes()


def test_a_runs_directory_opens_as_the_bundle_in_it(bundle: Path) -> None:
    assert open_bundle(bundle.parent).path == bundle
    assert open_bundle(str(bundle)).path == bundle


def test_no_bundle(tmp_path: Path, bundle: Path) -> None:
    for path in (tmp_path / "absent", tmp_path, bundle / "README.md"):
        with pytest.raises(InputError, match="no model here"):
            open_bundle(path)
    (bundle / "model.safetensors").unlink()
    with pytest.raises(InputError, match="no model here"):
        open_bundle(bundle)


def test_one_altered_bit_of_the_weights_is_refused(bundle: Path) -> None:
    content = bytearray((bundle / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (bundle / "model.safetensors").write_bytes(content)
    with pytest.raises(InputError, match=r"model\.safetensors: does not match the hash"):
        open_bundle(bundle)


@pytest.mark.parametrize("declared", [False, True])
@pytest.mark.parametrize("saver", ["pickle", "torch"])
def test_a_pickle_is_never_opened(bundle: Path, tmp_path: Path, saver: str, declared: bool) -> None:
    weights, trace = bundle / "model.safetensors", tmp_path / "code-was-run"
    if saver == "pickle":
        weights.write_bytes(pickle.dumps({"head.weight": Bomb(trace)}))
    else:
        torch.save({"head.weight": Bomb(trace)}, weights)
    if declared:
        change(bundle, weights_sha256=hashlib.sha256(weights.read_bytes()).hexdigest())
    with pytest.raises(InputError, match="cannot be read" if declared else "does not match the hash"):
        open_bundle(bundle)
    assert not trace.exists()
    pickle.loads(pickle.dumps(Bomb(trace)))
    assert trace.exists()


@pytest.mark.parametrize("length", [0, 1, 40, 400])
def test_truncated_json_is_refused(bundle: Path, length: int) -> None:
    content = (bundle / "bundle.json").read_bytes()
    assert length < len(content)
    (bundle / "bundle.json").write_bytes(content[:length])
    with pytest.raises(InputError, match=r"bundle\.json: cannot be read as a bundle"):
        open_bundle(bundle)


@pytest.mark.parametrize("content", [b"[]", b"3", b"null", b"{}", b"\xff\xfe", b"[" * 100_000, b'"' + b"a" * 9 + b'"'])
def test_json_that_is_no_bundle_is_refused(bundle: Path, content: bytes) -> None:
    (bundle / "bundle.json").write_bytes(content)
    with pytest.raises(InputError, match="cannot be read as a bundle"):
        open_bundle(bundle)


def test_newer_format_is_refused_even_with_unknown_keys(bundle: Path) -> None:
    change(bundle, format=2, something_new=True)
    with pytest.raises(InputError, match=r"format 2 is newer than this neurograft reads\. Upgrade"):
        open_bundle(bundle)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"surprise": 1}, "surprise: Extra inputs are not permitted"),
        ({"channels": "T1"}, "channels: "),
        ({"labels": {}}, "cannot be read as a bundle"),
        ({"labels": {"labels": [{"name": "LC"}]}}, "cannot be read as a bundle"),
        ({"labels": {"labels": [{"name": "LC", "values": 3}]}}, "cannot be read as a bundle"),
        ({"labels": {"labels": [{"name": "LC", "values": [0]}]}}, "value 0"),
        ({"weights_sha256": ""}, "does not match"),
    ],
)
def test_altered_information_is_refused(bundle: Path, changes: dict, message: str) -> None:
    change(bundle, **changes)
    with pytest.raises(InputError, match=message):
        open_bundle(bundle)


def test_weights_of_another_architecture_are_refused(bundle: Path) -> None:
    tree = json.loads((bundle / "bundle.json").read_text())
    tree["recipe"]["network"]["channels"] = [2, 4]
    change(bundle, recipe=tree["recipe"])
    with pytest.raises(InputError, match="weights do not fit the architecture"):
        open_bundle(bundle).network()


def test_labels_and_head_rows_must_agree(bundle: Path) -> None:
    change(bundle, labels={"labels": [{"name": "LC", "values": [1]}]})
    with pytest.raises(InputError, match="weights do not fit"):
        open_bundle(bundle).network()


def test_overwriting_a_bundle_replaces_all_of_it(bundle: Path, network, make_info) -> None:
    with torch.no_grad():
        network.get_parameter("head.bias").fill_(3.0)
    save_bundle(bundle, make_info(name="second"), network)
    opened = open_bundle(bundle)
    assert opened.info.name == "second"
    assert opened.state["head.bias"].tolist() == [3.0, 3.0, 3.0]
    shutil.rmtree(bundle)
