"""MONAI's sliding window on a prepared image; runs in nnU-Net's environment, started by benchmarks/prediction.py."""

import json
import sys
from importlib.metadata import version

import numpy as np
import torch
from monai.inferers import SlidingWindowInferer
from plain_network import plain_network
from timing import timed


def main() -> None:
    """Arguments: folder with image.npy and weights.pt, window, threads, device."""
    folder, window, threads, device = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    torch.set_num_threads(threads)
    network, _ = plain_network(folder)
    inferer = SlidingWindowInferer(window, sw_batch_size=1, overlap=0.5, mode="gaussian", sigma_scale=0.125)
    image = torch.from_numpy(np.load(f"{folder}/image.npy"))[None, None]
    network.to(device)

    def predict() -> np.ndarray:
        with torch.inference_mode():
            return inferer(image.to(device), network)[0].argmax(0).to(torch.int16).cpu().numpy()

    mask, figures = timed(predict, device)
    np.save(f"{folder}/monai.npy", mask)
    print(json.dumps({**figures, "engine": f"monai {version('monai')}"}))


if __name__ == "__main__":
    main()
