"""nnU-Net's predictor on a prepared image; runs in nnU-Net's own environment, started by benchmarks/prediction.py."""

import json
import os
import sys
from importlib.metadata import version
from types import SimpleNamespace

for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
    os.environ.setdefault(name, sys.argv[1])
os.environ["nnUNet_compile"] = "f"  # noqa: SIM112

import numpy as np  # noqa: E402
import torch  # noqa: E402
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor  # noqa: E402
from plain_network import plain_network  # noqa: E402
from timing import timed  # noqa: E402


def main() -> None:
    """Arguments: folder with image.npy and weights.pt, window, threads, device, whether to mirror."""
    folder, window, threads = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])
    device, mirror = sys.argv[4], sys.argv[5] == "mirror"
    torch.set_num_threads(threads)
    network, classes = plain_network(folder)
    predictor = nnUNetPredictor(
        tile_step_size=0.5, use_gaussian=True, use_mirroring=mirror, perform_everything_on_device=device == "cuda",
        device=torch.device(device), verbose=False, allow_tqdm=False,
    )  # fmt: skip
    predictor.network = network.to(device)
    predictor.configuration_manager = SimpleNamespace(patch_size=window)
    predictor.label_manager = SimpleNamespace(num_segmentation_heads=classes)
    predictor.allowed_mirroring_axes = (0, 1, 2) if mirror else None
    image = torch.from_numpy(np.load(f"{folder}/image.npy"))[None]

    def predict() -> np.ndarray:
        with torch.no_grad():
            logits = predictor.predict_sliding_window_return_logits(image)
            return logits.float().argmax(0).to(torch.int16).cpu().numpy()

    mask, figures = timed(predict, device)
    np.save(f"{folder}/nnunet.npy", mask)
    print(json.dumps({**figures, "engine": f"nnunetv2 {version('nnunetv2')}"}))


if __name__ == "__main__":
    main()
