"""Steps of nnU-Net's trainer; runs in its own environment, started by benchmarks/training_steps.py."""

import json
import sys
import time
from importlib.metadata import version

import psutil
import torch
from nnunet_trainer import FOLDER, build_trainer, shut_down  # first, because it sets nnU-Net's folders


def main() -> None:
    """Arguments: folder, steps, threads. Times steps as shipped, and again on one batch that never changes."""
    steps, threads = int(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(threads)
    trainer = build_trainer(json.loads((FOLDER / "settings.json").read_text("utf-8")))
    children = psutil.Process().children(recursive=True)
    batch = next(trainer.dataloader_train)
    trainer.train_step(batch)
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
    print(json.dumps(found | {"engine": f"nnunetv2 {version('nnunetv2')}"}))


def own_mib() -> float:
    """Peak memory of this process."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
