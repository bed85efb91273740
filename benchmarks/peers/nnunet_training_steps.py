"""Steps of nnU-Net's trainer; runs in its own environment, started by benchmarks/training_steps.py."""

import json
import sys
import time
from importlib.metadata import version

import psutil
import torch
from nnunet_trainer import FOLDER, build_trainer, shut_down  # sets nnU-Net's folders, and whether it compiles


def main() -> None:
    """Arguments: folder, steps of warming up, steps, threads, device, ``compile`` or nothing.

    Times steps as shipped, and again on one batch that never changes, after one step at least.
    """
    warm_up, steps, threads = map(int, sys.argv[2:5])
    device = sys.argv[5]
    torch.set_num_threads(threads)
    trainer = build_trainer(json.loads((FOLDER / "settings.json").read_text("utf-8")), device)
    children = psutil.Process().children(recursive=True)
    batch = next(trainer.dataloader_train)
    for _ in range(max(1, warm_up)):
        trainer.train_step(batch)
    # A step ends with its loss on the CPU, so that a GPU is waited for.
    shipped = []
    for _ in range(steps):
        start = time.perf_counter()
        trainer.train_step(next(trainer.dataloader_train))
        shipped.append(time.perf_counter() - start)
    mib = own_mib() + sum(one.memory_full_info().uss for one in children if one.is_running()) / 2**20
    shut_down(trainer)
    still = []
    for _ in range(steps):
        start = time.perf_counter()
        trainer.train_step(batch)
        still.append(time.perf_counter() - start)
    found = {"seconds": sum(shipped) / steps, "still_seconds": sum(still) / steps, "peak_mib": mib}
    if device == "cuda":
        found["device_mib"] = torch.cuda.max_memory_allocated() / 2**20
    print(json.dumps(found | {"engine": f"nnunetv2 {version('nnunetv2')}"}))


def own_mib() -> float:
    """Peak memory of this process."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
