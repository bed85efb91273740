import pickle
from pathlib import Path
from random import Random

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from neurograft.errors import InputError
from neurograft.networks.attention_unet2d import AttentionUNet2d
from neurograft.networks.resnet_encoder2d import BLOCKS, BottleneckBlock, torchvision_name
from neurograft.networks.unet3d import UNet3d
from neurograft.transfer.encoder_weights import load_encoder_weights, read_checkpoint


def network(inputs: int = 1, neighbours: int = 1, seed: int = 0) -> AttentionUNet2d:
    torch.manual_seed(seed)
    return AttentionUNet2d(inputs, 2, 2, neighbours, channels=(4, 4, 4, 4, 4), encoder="resnet50")


@pytest.fixture(scope="module")
def checkpoint() -> dict[str, torch.Tensor]:
    """A ResNet-50 by torchvision's names and shapes, written from the published table of layers."""
    generator = torch.Generator().manual_seed(1)
    found: dict[str, torch.Tensor] = {}

    def convolution(name: str, rows: int, columns: int, side: int) -> None:
        found[f"{name}.weight"] = torch.randn((rows, columns, side, side), generator=generator) * 0.05

    def norm(name: str, channels: int) -> None:
        for part in ("weight", "bias", "running_mean", "running_var"):
            found[f"{name}.{part}"] = torch.rand(channels, generator=generator) + 0.5
        found[f"{name}.num_batches_tracked"] = torch.tensor(3)

    convolution("conv1", 64, 3, 7)
    norm("bn1", 64)
    source = 64
    for layer, (blocks, width) in enumerate(((3, 64), (4, 128), (6, 256), (3, 512)), start=1):
        for block in range(blocks):
            name = f"layer{layer}.{block}"
            for number, (rows, columns, side) in enumerate(
                ((width, source, 1), (width, width, 3), (4 * width, width, 1)), start=1
            ):
                convolution(f"{name}.conv{number}", rows, columns, side)
                norm(f"{name}.bn{number}", rows)
            if block == 0:
                convolution(f"{name}.downsample.0", 4 * width, source, 1)
                norm(f"{name}.downsample.1", 4 * width)
            source = 4 * width
    found["fc.weight"], found["fc.bias"] = torch.zeros(1000, 2048), torch.zeros(1000)
    return found


def test_the_encoder_has_all_of_resnet50_but_its_classifier(checkpoint) -> None:
    names = {torchvision_name(name) for name in network().state_dict()} - {None}
    assert names == set(checkpoint) - {"fc.weight", "fc.bias"}
    # ResNet-50 has 25 557 032 parameters, of which 2 049 000 are the classifier's.
    encoder = [p for name, p in network().named_parameters() if torchvision_name(name) is not None]
    assert sum(parameter.numel() for parameter in encoder) == 25_557_032 - 2_049_000
    assert sum(blocks for blocks, _ in BLOCKS.values()) * 3 + 2 == 50


@pytest.mark.parametrize("form", ["safetensors", "pth", "nested", "parallel"])
def test_a_checkpoint_is_copied_tensor_by_tensor(checkpoint, form, tmp_path) -> None:
    if form == "safetensors":
        path = tmp_path / "weights.safetensors"
        save_file(checkpoint, path)
    else:
        path = tmp_path / "weights.pth"
        stored = {f"module.{name}": tensor for name, tensor in checkpoint.items()} if form == "parallel" else checkpoint
        torch.save({"state_dict": stored, "epoch": 90} if form == "nested" else stored, path)
    ours = network()
    report = load_encoder_weights(ours, path)
    for name, tensor in ours.state_dict().items():
        theirs = torchvision_name(name)
        if theirs is not None:
            assert torch.equal(tensor, checkpoint[theirs]), name
    assert report.counts() == {"copied": 318, "adapted": 0, "transplanted": 0, "reset": 0, "skipped": 2}
    assert {row.tensor for row in report.rows if row.action == "skipped"} == {"fc.weight", "fc.bias"}


def test_the_stem_adapts_to_other_than_three_channels(checkpoint, tmp_path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file(checkpoint, path)
    ours = network(inputs=2, neighbours=2)
    report = load_encoder_weights(ours, path)
    (adapted,) = [row for row in report.rows if row.action == "adapted"]
    assert (adapted.tensor, adapted.source_shape[1], adapted.target_shape[1]) == ("stem.conv1.weight", 3, 10)
    signal = torch.randn((1, 1, 32, 32), generator=torch.Generator().manual_seed(0))
    theirs = nn.functional.conv2d(signal.expand(-1, 3, -1, -1), checkpoint["conv1.weight"], stride=2, padding=3)
    assert torch.allclose(ours.stem.conv1(signal.expand(-1, 10, -1, -1)), theirs, atol=1e-5)


def test_what_does_not_fit_is_told(checkpoint, tmp_path) -> None:
    broken = {name: tensor for name, tensor in checkpoint.items() if name != "layer1.0.conv1.weight"}
    broken["layer2.0.conv1.weight"] = torch.zeros(3, 3, 1, 1)
    broken["layer3.0.conv1.weight"] = torch.full_like(checkpoint["layer3.0.conv1.weight"], torch.nan)
    path = tmp_path / "weights.safetensors"
    save_file(broken, path)
    ours = network()
    before = {name: tensor.clone() for name, tensor in ours.state_dict().items()}
    report = load_encoder_weights(ours, path)
    reset = {row.tensor: row.why for row in report.rows if row.action == "reset"}
    assert reset == {
        "layer1.0.conv1.weight": "not in the file",
        "layer2.0.conv1.weight": "shapes differ",
        "layer3.0.conv1.weight": "holds numbers that are not finite",
    }
    assert all(torch.equal(ours.state_dict()[name], before[name]) for name in reset)


def test_another_encoder_or_file_is_refused(checkpoint, tmp_path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file({"head.weight": torch.zeros(2, 2)}, path)
    with pytest.raises(InputError, match="no convolution in it fits"):
        load_encoder_weights(network(), path)
    with pytest.raises(InputError, match="has no ResNet-50 encoder"):
        load_encoder_weights(UNet3d(1, 1, (2, 3)), path)


class Malicious:
    def __reduce__(self):
        return (print, ("ran",))


def test_files_are_read_without_running_what_is_in_them(tmp_path, capsys) -> None:
    path = tmp_path / "evil.pth"
    path.write_bytes(pickle.dumps({"conv1.weight": Malicious()}))
    with pytest.raises(InputError, match="cannot be read safely"):
        read_checkpoint(path)
    torch.save({"conv1.weight": Malicious()}, path)
    with pytest.raises(InputError, match="cannot be read safely"):
        read_checkpoint(path)
    assert "ran" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "no such file"), (b"", "cannot be read safely"), (b"not a zip file", "cannot be read safely")],
)
def test_broken_files_are_named(content, words, tmp_path) -> None:
    path = tmp_path / "weights.pth"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_checkpoint(path)
    broken = tmp_path / "weights.safetensors"
    broken.write_bytes(b"nonsense")
    with pytest.raises(InputError, match="not a safetensors file"):
        read_checkpoint(broken)


@pytest.mark.parametrize("value", [[1, 2], {"a": 1.0}, {}, {"state_dict": {"a": "text"}}])
def test_files_of_anything_else_are_refused(value, tmp_path) -> None:
    path = tmp_path / "weights.pth"
    torch.save(value, path)
    with pytest.raises(InputError, match="tensor"):
        read_checkpoint(path)


@pytest.mark.parametrize("new_form", [True, False])
def test_a_damaged_file_is_named_wherever_it_is_damaged(new_form, tmp_path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"conv1.weight": torch.zeros(2, 3, 3, 3)}, path, _use_new_zipfile_serialization=new_form)
    whole, random = path.read_bytes(), Random(0)
    refused: list[Path] = []
    for _ in range(150):
        damaged = bytearray(whole)
        for _ in range(random.choice((1, 5))):
            damaged[random.randrange(min(len(damaged), 700))] = random.randrange(256)
        path.write_bytes(damaged[: random.randrange(len(damaged))] if random.random() < 0.3 else damaged)
        try:
            read_checkpoint(path)
        except InputError as error:
            refused.append(error.file)
    assert len(refused) > 50
    assert set(refused) == {path}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("form", ["sparse", "meta", "complex", "quantised", "float8", "nested"])
def test_tensors_that_no_weight_can_be_are_refused(form, tmp_path) -> None:
    weight = torch.randn((64, 3, 7, 7), generator=torch.Generator().manual_seed(0))
    odd = {
        "sparse": lambda: weight.to_sparse(),
        "meta": lambda: weight.to("meta"),
        "complex": lambda: weight.to(torch.complex64),
        "quantised": lambda: torch.quantize_per_tensor(weight, 0.1, 0, torch.qint8),
        "float8": lambda: weight.to(torch.float8_e4m3fn),
        "nested": lambda: torch.nested.nested_tensor([weight[0], weight[1]]),
    }[form]()
    path = tmp_path / "weights.pth"
    torch.save({"conv1.weight": odd}, path)
    with pytest.raises(InputError, match=r"no tensor of plain numbers|cannot be read safely"):
        read_checkpoint(path)


def test_a_bottleneck_block_by_its_parts() -> None:
    torch.manual_seed(0)
    block = BottleneckBlock(8, 4, 2).eval()
    x = torch.randn(2, 8, 6, 6)
    main = block.bn1(block.conv1(x)).relu()
    main = block.bn2(nn.functional.conv2d(main, block.conv2.weight, stride=2, padding=1)).relu()
    shortcut = block.downsample[1](block.downsample[0](x))
    assert torch.allclose(block(x), (block.bn3(block.conv3(main)) + shortcut).relu(), atol=1e-6)
    assert block(x).shape == (2, 16, 3, 3)
    assert BottleneckBlock(16, 4, 1).downsample is None
