import json
from pathlib import Path

import pytest
import torch

from neurograft.errors import InputError
from neurograft.hardware import ComputeChoice, choose_compiling, choose_compute, peak_memory_mib, probe
from neurograft.networks import bf16_tile, build_network
from neurograft.networks.convolution import ThreeWideConvolution3d
from neurograft.recipes.schema import ComputeConfig, NetworkConfig

SIZE = (4, 4, 4)
CPU = ComputeConfig(device="cpu")
FIXED = ComputeConfig(device="cpu", precision="fp32", channels_last=False, threads=1)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NEUROGRAFT_CACHE", str(tmp_path))
    return tmp_path


def small(norm: str = "batch"):
    return build_network(NetworkConfig(channels=(2, 3), norm=norm), 1, 1, seed=0)


def timings(monkeypatch: pytest.MonkeyPatch, seconds: dict[tuple[str, bool], float]) -> list[tuple]:
    """Replace the stopwatch; returns the options that were tried."""
    tried: list[tuple] = []

    def measure(network, device, option, shape, compiled=False) -> tuple[float, float]:
        tried.append(((*option, "compiled") if compiled else option, shape))
        return 10.0, seconds[option[:2]] / (2 if compiled else 1)

    monkeypatch.setattr(probe, "step_times", measure)
    monkeypatch.setattr(probe, "gradient_fault", lambda *arguments: "")
    return tried


TIMES = {("fp32", False): 0.4, ("fp32", True): 0.3, ("bf16", False): 0.1, ("bf16", True): 0.2}


def test_the_fastest_is_chosen_and_kept(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    tried = timings(monkeypatch, TIMES)
    choice = choose_compute(small(), CPU, (3, 4, 5), 2)
    assert (choice.device, choice.precision, choice.channels_last) == ("cpu", "bf16", False)
    assert len(tried) == len(choice.step_seconds)
    assert {shape for _, shape in tried} == {(2, 1, 4, 4, 6)}
    again = choose_compute(small(), CPU, (3, 4, 5), 2)
    assert again == choice
    assert len(tried) == len(choice.step_seconds)


def test_networks_with_equal_shapes_are_measured_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = timings(monkeypatch, TIMES)
    choose_compute(small("batch"), CPU, SIZE, 1)
    count = len(tried)
    choose_compute(small("instance"), CPU, SIZE, 1)
    assert len(tried) == 2 * count


def test_what_the_recipe_fixes_is_not_tried(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    tried = timings(monkeypatch, TIMES)
    choice = choose_compute(small(), FIXED, SIZE, 1)
    assert (choice.precision, choice.channels_last, choice.threads, choice.step_seconds) == ("fp32", False, 1, {})
    assert tried == []
    assert list(cache.iterdir()) == []
    half = choose_compute(small(), FIXED.model_copy(update={"channels_last": "auto"}), SIZE, 1)
    assert [option[:2] for option, _ in tried] == [("fp32", False), ("fp32", True)]
    assert half.channels_last is True


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", json.dumps({"device": "cpu", "speed": 3})])
def test_damaged_cache_is_measured_anew(monkeypatch: pytest.MonkeyPatch, cache: Path, content: str) -> None:
    timings(monkeypatch, TIMES)
    choice = choose_compute(small(), CPU, SIZE, 1)
    (file,) = (cache / "compute").iterdir()
    file.write_text(content)
    assert choose_compute(small(), CPU, SIZE, 1) == choice


def test_cache_that_cannot_be_written_stops_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NEUROGRAFT_CACHE", str(tmp_path / "file"))
    timings(monkeypatch, TIMES)
    assert choose_compute(small(), CPU, SIZE, 1).precision == "bf16"


def test_half_precision_with_wrong_gradients_is_not_taken(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    timings(monkeypatch, TIMES)
    monkeypatch.setattr(probe, "gradient_fault", lambda *arguments: "the gradient of x is wrong")
    choice = choose_compute(small(), CPU, SIZE, 1)
    assert (choice.precision, choice.channels_last) == ("fp32", True)
    assert caplog.text.count("the gradient of x is wrong") == 2
    for fixed in ({"precision": "bf16"}, {"precision": "bf16", "channels_last": True, "threads": 1}):
        with pytest.raises(InputError, match=r"wrong gradients with it .* of 4 x 4 x 4 voxels.*compute.precision=auto"):
            choose_compute(small(), CPU.model_copy(update=fixed), SIZE, 1)
    # Only the memory format that is wrong is left out.
    monkeypatch.setattr(
        probe, "gradient_fault", lambda network, device, channels_last, shape: "x" * (not channels_last)
    )
    assert choose_compute(small(), CPU, (4, 4, 6), 1).channels_last is True
    assert choose_compute(small(), CPU, (4, 4, 6), 1).precision == "bf16"


EAGER = ComputeChoice("cpu", "fp32", False, 1, {"fp32/channels-first/1": 0.4})


def compiling(wanted: bool | str = "auto", seconds: float = 1e5, choice: ComputeChoice = EAGER, **more) -> bool:
    config = FIXED.model_copy(update={"compile": wanted, **more})
    return choose_compiling(small(), config, choice, SIZE, 1, lambda step: seconds).compiled


def test_long_trainings_are_compiled_where_that_pays(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    tried = timings(monkeypatch, TIMES)
    assert not compiling(seconds=probe.COMPILED_FROM_SECONDS - 1)
    assert not compiling(False)
    assert not compiling(devices=2)
    assert not compiling(choice=ComputeChoice("cpu", "fp32", False, 1, {})), "the recipe left nothing open"
    assert tried == []
    assert compiling()
    assert "a compiled step takes 0.200 s and not 0.400 s" in caplog.text
    assert [option for option, _ in tried] == [("fp32", False, 1, "compiled")]
    assert compiling()
    assert len(tried) == 1, "the measurement is kept"
    timings(monkeypatch, {("fp32", False): 1.0})
    monkeypatch.setenv("NEUROGRAFT_CACHE", f"{probe.cache_folder()}2")
    assert not compiling(), "a compiled step is slower"
    assert compiling(True), "it was asked for"


def test_what_compiling_saves_is_held_against_what_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "step_times", lambda *arguments, compiled: (101.0, 0.39))
    # Of 4000 s, 100 would be saved.
    assert not compiling(seconds=4000)
    assert compiling(seconds=4100)


def test_what_was_refused_is_no_measure_of_what_was_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "step_times", lambda *arguments, compiled: (10.0, 0.2))
    times = {"bf16/channels-first/1": 0.1, "fp32/channels-first/1": 0.4}
    choice = ComputeChoice("cpu", "fp32", False, 1, times)
    assert choice.eager_seconds == 0.4
    assert compiling(choice=choice), "against the refused one it would not pay"


def test_a_training_that_cannot_be_compiled(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def fail(*arguments, compiled: bool) -> tuple[float, float]:
        raise RuntimeError("no compiler\nwas found")

    caplog.set_level("INFO")
    monkeypatch.setattr(probe, "step_times", fail)
    assert not compiling()
    assert "steps are not compiled: compiling fails: no compiler" in caplog.text
    with pytest.raises(InputError, match=r"compute.compile is true.*no compiler.*compute.compile=auto"):
        compiling(True)
    half = ComputeChoice("cpu", "bf16", False, 1, {"bf16/channels-first/1": 0.4})
    monkeypatch.setattr(probe, "gradient_fault", lambda network, device, last, shape: "it is wrong" * last)
    with pytest.raises(InputError, match="it is wrong"):
        compiling(True, choice=half)


def test_compiled_steps_are_judged_by_the_convolutions_that_they_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bf16_tile, "multiplies_pairs", lambda: True)
    layer = ThreeWideConvolution3d(16, 16)
    image = torch.ones(1, 16, 4, 4, 5).to(memory_format=torch.channels_last_3d)
    looped: list[bool] = []

    def note(*arguments: object) -> str:
        with torch.autocast("cpu", torch.bfloat16):
            looped.append(layer.has_loops(image))
        return ""

    monkeypatch.setattr(probe, "gradient_fault", note)
    monkeypatch.setattr(probe, "step_times", lambda *arguments, compiled: (10.0, 0.2))
    assert compiling(choice=ComputeChoice("cpu", "bf16", True, 1, {"bf16/channels-last/1": 0.4}))
    assert looped == [False, False]
    note()
    assert looped[-1]


def test_measuring_changes_neither_network_nor_generator_nor_threads() -> None:
    network = small()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    generator, threads = torch.get_rng_state(), torch.get_num_threads()
    choice = choose_compute(network, CPU, SIZE, 2)
    assert all(seconds > 0 for seconds in choice.step_seconds.values())
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert torch.equal(torch.get_rng_state(), generator)
    assert torch.get_num_threads() == threads


def test_device_that_is_not_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match=r"compute\.device is cuda.*compute\.device=auto"):
        choose_compute(small(), ComputeConfig(device="cuda"), SIZE, 1)


def test_description() -> None:
    assert choose_compute(small(), FIXED, SIZE, 1).describe() == "cpu, fp32, channels first, 1 threads"


def test_description_of_compiled_steps() -> None:
    assert ComputeChoice("cuda", "bf16", True, 8, {}, compiled=True).describe() == "cuda, bf16, channels last, compiled"


def test_peak_memory_is_that_of_a_process_with_torch() -> None:
    assert 50 < peak_memory_mib() < 200_000


def test_a_network_of_planes_has_no_memory_format_to_choose(caplog: pytest.LogCaptureFixture) -> None:
    config = NetworkConfig(
        name="triplanar", channels=(2, 2, 2), dense_channels=(4, 4, 4), norm="batch", activation="prelu"
    )
    network = build_network(config, 1, 2, seed=0)
    wanted = FIXED.model_copy(update={"channels_last": True})
    assert choose_compute(network, wanted, (1, 1, 1), 4).channels_last is False
    assert "compute.channels_last does not concern" in caplog.text
