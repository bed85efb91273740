"""A trained model on disk: ``model.safetensors``, ``bundle.json``, ``README.md``.

Opening a bundle reads numbers and JSON, and runs nothing that the files contain.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from neurograft.errors import InputError
from neurograft.imaging.labels import LabelTable
from neurograft.models.builtin import model_folder
from neurograft.models.card import model_card
from neurograft.models.half_precision import halved, in_single_precision
from neurograft.models.volume_range import VolumeRange
from neurograft.networks import UnitNetwork, build_network
from neurograft.outputs import atomic_file, write_json, write_text
from neurograft.recipes.schema import Recipe
from neurograft.transfer import Folding, NetworkSide, head_rows

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
        head: names of the head's rows, where they are not the labels' own; empty where they are.
        folded: label -> rows of the head whose probabilities are added up to its, for such a head.
        loading: tensors by what was done with them when the source was read.
        training: seed, steps, seconds, subjects' counts, chosen validation figure, and so on.
        training_subjects: fingerprints of the training and validation subjects, as
            `CohortFingerprint.to_dict` gives them; those of the ancestors included.
        age: how to read the age head, for a model that has learnt an age.
        volumes: how large each label was among the training cases; empty where none was annotated everywhere.
        storage: of the weights on disk; they are computed with in single precision.
        sources: SHA-256 of the files that it was trained on, by path, where its maker has told them.
        figures: what it was measured to do, a row a figure.
        limits: what it cannot do, a sentence each.
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
    head: list[str] = []
    folded: dict[str, list[str]] = {}
    loading: dict[str, int] = {}
    training: dict[str, Any]
    training_subjects: list[dict[str, Any]]
    age: AgeInfo | None = None
    volumes: list[VolumeRange] = []
    storage: Literal["float32", "float16"] = "float32"
    sources: dict[str, str] = {}
    figures: list[dict[str, str]] = []
    limits: list[str] = []
    weights_sha256: str = ""
    versions: dict[str, str]


@dataclass(frozen=True)
class Bundle:
    """An opened model.

    Attributes:
        path: its folder.
        info: what it is.
        read_state: reads the weights; nothing keeps them in memory but who asks for them.
    """

    path: Path
    info: BundleInfo
    read_state: Callable[[], dict[str, Tensor]]

    @property
    def state(self) -> dict[str, Tensor]:
        """The weights by name, in single precision, read anew each time."""
        return self.read_state()

    @property
    def labels(self) -> LabelTable:
        """The labels that the model knows."""
        return LabelTable.from_dict(self.info.labels)

    @property
    def side(self) -> NetworkSide:
        """Names of the network's inputs and of the rows of its head."""
        return NetworkSide(
            self.info.channels,
            tuple(self.info.head) or head_rows(self.info.recipe.task, self.labels.names, self.info.channels),
            self.info.recipe.preparation.prior_labels or (),
        )

    @property
    def folding(self) -> Folding | None:
        """How the labels come from a head that knows others."""
        return Folding(tuple(self.info.head), self.info.folded) if self.info.head else None

    def require_segmentation(self) -> None:
        """Refuse a model that gives no label for a voxel.

        Raises:
            InputError: it was trained for another task.
        """
        kind = self.info.recipe.task.kind
        if kind != "segmentation":
            raise InputError(
                f"this model was trained for {kind.replace('_', ' ')} and segments nothing yet",
                f"Adapt it first: neurograft adapt --source {self.path} --cohort COHORT --out MODEL",
                self.path,
            )

    def network(self) -> UnitNetwork:
        """The network with its weights, in evaluation mode."""
        side = self.side
        inputs = len(side.channels) + len(side.prior)
        network = build_network(self.info.recipe.network, inputs, len(side.outputs), 0, len(side.prior))
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
    if info.storage == "float16":
        state = halved(state)
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
    """Open a bundle, the bundle inside a run's directory, or a built-in model by its name.

    Raises:
        InputError: no bundle here, a file is damaged or altered, or the format is newer.
    """
    folder = model_folder(path)
    if not (folder / INFO).is_file() and (folder / "model" / INFO).is_file():
        folder = folder / "model"
    if not (folder / INFO).is_file() or not (folder / WEIGHTS).is_file():
        raise InputError(
            f"no model here: a model is a directory with {WEIGHTS} and {INFO}",
            "Give the directory that train or adapt wrote, or a built-in model's name",
            path,
        )
    try:
        tree = json.loads((folder / INFO).read_text("utf-8"))
        if isinstance(tree, dict) and isinstance(tree.get("format"), int) and tree["format"] > FORMAT:
            raise InputError(
                f"bundle format {tree['format']} is newer than this neurograft reads", "Upgrade neurograft", folder
            )
        info = BundleInfo.model_validate(tree)
        _check_folding(info, LabelTable.from_dict(info.labels))
    except InputError:
        raise
    except ValidationError as error:
        first = error.errors()[0]
        reason = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise InputError(f"cannot be read as a bundle: {reason}", "Get the bundle anew", folder / INFO) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"cannot be read as a bundle: {error}", "Get the bundle anew", folder / INFO) from error
    read_state = partial(_read_state, folder / WEIGHTS, info.weights_sha256)
    read_state()
    return Bundle(folder, info, read_state)


def _check_folding(info: BundleInfo, labels: LabelTable) -> None:
    """Refuse a head whose rows do not make up the labels."""
    if info.head or info.folded:
        Folding(tuple(info.head), info.folded)
        if list(info.folded) != list(labels.names):
            raise ValueError("folded: it must name the model's labels in their order")


def _read_state(path: Path, sha256: str) -> dict[str, Tensor]:
    try:
        if _sha256(path) != sha256:
            raise InputError(f"does not match the hash in {INFO}", "Get the bundle anew", path)
        return in_single_precision(load_file(path))
    except (SafetensorError, OSError) as error:
        raise InputError(f"cannot be read: {error}", "Get the bundle anew", path) from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
