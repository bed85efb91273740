"""A trained model on disk: ``model.safetensors``, ``bundle.json``, ``README.md``.

Opening a bundle reads numbers and JSON, and runs nothing that the files contain.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from neurograft.errors import InputError
from neurograft.imaging.labels import LabelTable
from neurograft.models.card import model_card
from neurograft.networks import UnitNetwork, build_network
from neurograft.outputs import atomic_file, write_json, write_text
from neurograft.recipes.schema import Recipe
from neurograft.transfer import NetworkSide, output_names

WEIGHTS, INFO, CARD = "model.safetensors", "bundle.json", "README.md"
FORMAT = 1


class AgeInfo(BaseModel):
    """How to read a model's age head.

    Attributes:
        covariate: the column that the training ages came from.
        mean: of the scale that the head speaks in: an age is ``mean + sd * output``.
        sd: of that scale.
        training_mean: mean age of the cases that the model was last trained on, which is what a
            model that has learnt nothing would best answer.
    """

    model_config = ConfigDict(extra="forbid")

    covariate: str
    mean: float
    sd: float
    training_mean: float


class BundleInfo(BaseModel):
    """The content of ``bundle.json``.

    Attributes:
        format: version of this layout.
        name: the model's name.
        units: the network's units in order: name, role, depth.
        channels: image channels, in order.
        labels: the label table, as `LabelTable.to_dict` gives it.
        recipe: the resolved recipe: architecture, preparation, patch, inference and all.
        spacing_mm: median voxel spacing of the prepared training images.
        strategy: how it was adapted; ``scratch`` for a model without a source.
        plan: the strategy's table: a row a unit.
        parent: name and weights' hash of the source model, or None.
        label_from: label name -> source label whose output it started from.
        loading: tensors by what was done with them when the source was read.
        training: seed, steps, seconds, subjects' counts, chosen validation figure, and so on.
        training_subjects: fingerprints of the training and validation subjects, as
            `CohortFingerprint.to_dict` gives them; those of the ancestors included.
        age: how to read the age head, for a model that has learnt an age.
        weights_sha256: of ``model.safetensors``.
        versions: of neurograft and the libraries that matter.
    """

    model_config = ConfigDict(extra="forbid")

    format: int = FORMAT
    name: str
    units: list[tuple[str, str, int]]
    channels: list[str]
    labels: dict[str, Any]
    recipe: Recipe
    spacing_mm: tuple[float, float, float]
    strategy: str
    plan: list[dict[str, Any]]
    parent: dict[str, str] | None = None
    label_from: dict[str, str] = {}
    loading: dict[str, int] = {}
    training: dict[str, Any]
    training_subjects: list[dict[str, Any]]
    age: AgeInfo | None = None
    weights_sha256: str = ""
    versions: dict[str, str]


@dataclass(frozen=True)
class Bundle:
    """An opened model."""

    path: Path
    info: BundleInfo
    state: dict[str, Tensor]

    @property
    def labels(self) -> LabelTable:
        """The labels that the model knows."""
        return LabelTable.from_dict(self.info.labels)

    @property
    def side(self) -> NetworkSide:
        """Names of the network's inputs and outputs."""
        return NetworkSide(self.info.channels, output_names(self.labels.names, self.info.recipe.task.output))

    def network(self) -> UnitNetwork:
        """The network with its weights, in evaluation mode."""
        network = build_network(self.info.recipe.network, len(self.side.channels), len(self.side.outputs), seed=0)
        try:
            network.load_state_dict(self.state)
        except RuntimeError as error:
            reason = str(error).splitlines()[-1].strip()
            raise InputError(
                f"the weights do not fit the architecture in {INFO}: {reason}", "Get the bundle anew", self.path
            ) from error
        return network.eval()


def save_bundle(folder: Path, info: BundleInfo, network: UnitNetwork) -> BundleInfo:
    """Write a bundle into `folder`, which is made if need be.

    Returns:
        The information with the weights' hash filled in.
    """
    state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in network.state_dict().items()}
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_file(folder / WEIGHTS) as temporary:
        # Not save_file: what it raises on a full disk is no OSError.
        temporary.write_bytes(save(state))
        digest = _sha256(temporary)
    info = info.model_copy(update={"weights_sha256": digest})
    write_json(folder / INFO, info.model_dump(mode="json"))
    parameters = sum(parameter.numel() for parameter in network.parameters())
    write_text(folder / CARD, model_card(info.model_dump(mode="json"), parameters))
    return info


def open_bundle(path: str | Path) -> Bundle:
    """Open a bundle, or the bundle inside a run's directory.

    Raises:
        InputError: no bundle here, a file is damaged or altered, or the format is newer.
    """
    folder = Path(path)
    if not (folder / INFO).is_file() and (folder / "model" / INFO).is_file():
        folder = folder / "model"
    if not (folder / INFO).is_file() or not (folder / WEIGHTS).is_file():
        raise InputError(
            f"no model here: a model is a directory with {WEIGHTS} and {INFO}",
            "Give the directory that train or adapt wrote",
            path,
        )
    try:
        tree = json.loads((folder / INFO).read_text("utf-8"))
        if isinstance(tree, dict) and isinstance(tree.get("format"), int) and tree["format"] > FORMAT:
            raise InputError(
                f"bundle format {tree['format']} is newer than this neurograft reads", "Upgrade neurograft", folder
            )
        info = BundleInfo.model_validate(tree)
        LabelTable.from_dict(info.labels)
    except InputError:
        raise
    except ValidationError as error:
        first = error.errors()[0]
        reason = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise InputError(f"cannot be read as a bundle: {reason}", "Get the bundle anew", folder / INFO) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"cannot be read as a bundle: {error}", "Get the bundle anew", folder / INFO) from error
    try:
        if _sha256(folder / WEIGHTS) != info.weights_sha256:
            raise InputError(f"does not match the hash in {INFO}", "Get the bundle anew", folder / WEIGHTS)
        state = load_file(folder / WEIGHTS)
    except (SafetensorError, OSError) as error:
        raise InputError(f"cannot be read: {error}", "Get the bundle anew", folder / WEIGHTS) from error
    return Bundle(folder, info, state)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
