"""nnU-Net's own trainer on arrays that are prepared already; imported by the peers that run in its environment."""

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(sys.argv[1])
for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
    os.environ[name] = str(FOLDER / name)
os.environ["nnUNet_compile"] = "t" if "compile" in sys.argv else "f"  # noqa: SIM112

import numpy as np  # noqa: E402
import torch  # noqa: E402
from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor  # noqa: E402
from nnunetv2.training.dataloading.nnunet_dataset import comp_blosc2_params, nnUNetDatasetBlosc2  # noqa: E402
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer  # noqa: E402

NAME = "Dataset001_Prepared"
CONFIGURATION = "3d_fullres"


def build_trainer(settings: dict[str, Any], device: str = "cpu") -> nnUNetTrainer:
    """The trainer as it is shipped, ready for its first step.

    Args:
        settings: ``patch``, ``batch``, ``channels`` (list), ``labels`` (names, background left out), and
            ``train``, names of ``cases/NAME.npz`` with ``image`` (C, D, H, W) and ``target`` (D, H, W).
        device: where it trains.
    """
    base = FOLDER / "nnUNet_preprocessed" / NAME
    data = base / CONFIGURATION
    shutil.rmtree(base, ignore_errors=True)  # what an earlier turn left cannot be written over
    data.mkdir(parents=True)
    classes = list(range(1, len(settings["labels"]) + 1))
    for case in settings["train"]:
        with np.load(FOLDER / "cases" / f"{case}.npz") as arrays:
            image, target = arrays["image"], arrays["target"][None].astype(np.int16)
        places = DefaultPreprocessor._sample_foreground_locations(target, classes, seed=1234)
        block, chunk = comp_blosc2_params(image.shape, tuple(settings["patch"]), 4)
        properties = {"class_locations": places, "spacing": [1.0, 1.0, 1.0]}
        nnUNetDatasetBlosc2.save_case(image, target, properties, str(data / case), chunk, block, chunk, block)
    # One fold that learns from all; its validation cases are never asked for.
    (base / "splits_final.json").write_text(json.dumps([{"train": settings["train"], "val": settings["train"]}]))
    dataset = {
        "channel_names": {"0": "MRI"},
        "labels": {"background": 0, **{name: number for number, name in enumerate(settings["labels"], start=1)}},
        "numTraining": len(settings["train"]),
        "file_ending": ".nii.gz",
    }
    (base / "dataset.json").write_text(json.dumps(dataset))
    (base / "dataset_fingerprint.json").write_text("{}")
    plans = plans_of(settings) | {"continue_training": False}
    trainer = nnUNetTrainer(plans, CONFIGURATION, 0, dataset, torch.device(device))
    trainer.plot_network_architecture = lambda: None
    trainer.initialize()
    trainer.on_train_start()
    trainer.network.train()
    return trainer


def plans_of(settings: dict[str, Any]) -> dict[str, Any]:
    """What nnU-Net's planner writes, for its plain U-Net with two layers a stage."""
    stages = len(settings["channels"])
    architecture = {
        "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
        "arch_kwargs": {
            "n_stages": stages,
            "features_per_stage": settings["channels"],
            "conv_op": "torch.nn.modules.conv.Conv3d",
            "kernel_sizes": [[3, 3, 3]] * stages,
            "strides": [[1, 1, 1], *[[2, 2, 2]] * (stages - 1)],
            "n_conv_per_stage": [2] * stages,
            "n_conv_per_stage_decoder": [2] * (stages - 1),
            "conv_bias": True,
            "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
            "norm_op_kwargs": {"eps": 1e-5, "affine": True},
            "dropout_op": None,
            "dropout_op_kwargs": None,
            "nonlin": "torch.nn.LeakyReLU",
            "nonlin_kwargs": {"inplace": True},
        },
        "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
    }
    resampling = {"resampling_fn_" + kind: "resample_data_or_seg_to_shape" for kind in ("data", "seg", "probabilities")}
    resampling |= {name + "_kwargs": {} for name in list(resampling)}
    return {
        "dataset_name": NAME,
        "plans_name": "nnUNetPlans",
        "image_reader_writer": "SimpleITKIO",
        "label_manager": "LabelManager",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "foreground_intensity_properties_per_channel": {},
        "configurations": {
            CONFIGURATION: {
                "data_identifier": CONFIGURATION,
                "preprocessor_name": "DefaultPreprocessor",
                "batch_size": settings["batch"],
                "patch_size": settings["patch"],
                "median_image_size_in_voxels": settings["patch"],
                "spacing": [1.0, 1.0, 1.0],
                "normalization_schemes": ["ZScoreNormalization"],
                "use_mask_for_norm": [False],
                "batch_dice": False,
                "architecture": architecture,
                **resampling,
            }
        },
    }


def shut_down(trainer: nnUNetTrainer) -> None:
    """End the processes that augment."""
    for loader in (trainer.dataloader_train, trainer.dataloader_val):
        if hasattr(loader, "_finish"):
            loader._finish()
