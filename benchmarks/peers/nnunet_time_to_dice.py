"""Dice over seconds of nnU-Net's trainer; runs in its own environment, started by benchmarks/time_to_dice.py."""

import json
import sys
import time
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from nnunet_trainer import FOLDER, build_trainer, shut_down  # first, because it sets nnU-Net's folders
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor


def main() -> None:
    """Arguments: folder with settings.json and cases, threads."""
    torch.set_num_threads(int(sys.argv[2]))
    settings = json.loads((FOLDER / "settings.json").read_text("utf-8"))
    times = settings["times"]
    trainer = build_trainer(settings)
    predictor = nnUNetPredictor(
        tile_step_size=0.5, use_gaussian=True, use_mirroring=False, perform_everything_on_device=False,
        device=torch.device("cpu"), verbose=False, allow_tqdm=False,
    )  # fmt: skip
    predictor.network = trainer.network
    predictor.configuration_manager = SimpleNamespace(patch_size=settings["patch"])
    predictor.label_manager = SimpleNamespace(num_segmentation_heads=len(settings["labels"]) + 1)
    predictor.allowed_mirroring_axes = None
    curve: list[tuple[float, float, int]] = []
    steps, began = 0, time.perf_counter()
    while len(curve) < len(times):
        elapsed = time.perf_counter() - began
        if elapsed >= times[len(curve)]:
            stopped = time.perf_counter()
            curve.append((elapsed, tested(trainer, predictor, settings), steps))
            began += time.perf_counter() - stopped
            continue
        # Its polynomial schedule, over the seconds of this training in the place of 1000 epochs.
        trainer.lr_scheduler.step(min(elapsed / times[-1], 0.999) * trainer.num_epochs)
        trainer.train_step(next(trainer.dataloader_train))
        steps += 1
    shut_down(trainer)
    print(json.dumps({"curve": curve, "version": f"nnunetv2 {version('nnunetv2')}"}))


def tested(trainer: Any, predictor: nnUNetPredictor, settings: dict[str, Any]) -> float:
    """Mean Dice over the test cases and labels; 1 where neither shows a label."""
    trainer.network.eval()
    trainer.set_deep_supervision_enabled(False)
    found = []
    with torch.no_grad():
        for name in settings["test"]:
            with np.load(FOLDER / "cases" / f"{name}.npz") as arrays:
                image, truth = torch.from_numpy(arrays["image"]), arrays["target"]
            mask = predictor.predict_sliding_window_return_logits(image).float().argmax(0).numpy()
            for number in range(1, len(settings["labels"]) + 1):
                voxels = int((truth == number).sum() + (mask == number).sum())
                both = int(((truth == number) & (mask == number)).sum())
                found.append(2 * both / voxels if voxels else 1.0)
    trainer.set_deep_supervision_enabled(True)
    trainer.network.train()
    return float(np.mean(found))


if __name__ == "__main__":
    main()
