"""Label patches in, image patches out."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from neurograft.errors import InputError
from neurograft.imaging.intensity_classes import IntensityClasses
from neurograft.phantoms.synthesis.acquisition import acquire
from neurograft.phantoms.synthesis.draw import SynthesisDraw, draw_synthesis
from neurograft.phantoms.synthesis.fields import smooth_field
from neurograft.phantoms.synthesis.lesions import lesion_mask
from neurograft.phantoms.synthesis.normalisation import of_image, of_tissues
from neurograft.phantoms.synthesis.stripping import stripped_view
from neurograft.phantoms.synthesis.tissues import Tissues
from neurograft.phantoms.synthesis.volumes import GenerationMap, TissueVoxels, count_tissues
from neurograft.recipes.schema import PreparationConfig, Size, SynthesisConfig, Triple


class Synthesiser:
    """Makes images from intensity classes; has no state, so a draw always gives the same image.

    Args:
        config: what may happen.
        classes: the intensity classes of the cohort.
        preparation: how images are normalised.

    Raises:
        InputError: the configuration gives a mean for a structure that there is not.
    """

    def __init__(self, config: SynthesisConfig, classes: IntensityClasses, preparation: PreparationConfig) -> None:
        if not len(classes):
            raise InputError("the label table names no value", "Name the structures in the label table")
        self.config = config
        self.classes = classes
        self.preparation = preparation
        self.tissues = Tissues.of(classes, config.means)
        self._on_device: dict[torch.device, Mapping[str, Tensor]] = {}

    def draw(
        self, count: int, size: Size, spacing_mm: Triple, generator: torch.Generator, step: int | None = None
    ) -> list[SynthesisDraw]:
        """Draw ``count`` images of a size in voxels, for a training step where one is given.

        The generator is on the CPU.
        """
        config = self.config
        if config.look == "mixed" and step is not None and step < config.t1_first_steps:
            config = config.model_copy(update={"look": "t1"})
        return draw_synthesis(config, self.tissues, size, spacing_mm, count, generator)

    def prepare(self, classes: Tensor, spacing_mm: Triple) -> GenerationMap:
        """Count a whole volume of classes (D, H, W), which `make` needs to normalise parts of it."""
        return GenerationMap(classes.to(torch.int16), count_tissues(classes, self.tissues, spacing_mm))

    def make(
        self, classes: Tensor, draws: Sequence[SynthesisDraw], spacing_mm: Triple, volumes: Sequence[TissueVoxels]
    ) -> tuple[Tensor, Tensor]:
        """Make patches, normalised as their volumes would be.

        Args:
            classes: (N, d, h, w) integers, the intensity class of each voxel.
            draws: one a patch.
            spacing_mm: of the voxels.
            volumes: for each patch the voxels of its whole volume.

        Returns:
            Images (N, C, d, h, w) float32, and (N, d, h, w) bool where something is seen at all.
        """
        images = torch.empty(
            (len(classes), len(self.config.channels), *classes.shape[1:]), dtype=torch.float32, device=classes.device
        )
        seen = torch.ones(classes.shape, dtype=torch.bool, device=classes.device)
        for number, (draw, volume) in enumerate(zip(draws, volumes, strict=True)):
            image = self._raw(classes[number].long(), draw, spacing_mm)
            if draw.view is not None:
                seen[number] = draw.view.mask(image.shape[1:], image.device)
                image.mul_(seen[number])
            images[number] = self._normalised(image, draw, volume)
        return images, seen

    def make_volume(self, classes: Tensor, spacing_mm: Triple, seed: int) -> Tensor:
        """Make the image (C, D, H, W) of a whole volume of classes (D, H, W), normalised by its own voxels.

        Nothing is left out of the field of view: who is held out shows all structures.
        """
        depth, height, width = classes.shape
        generator = torch.Generator().manual_seed(seed)
        config = self.config.model_copy(update={"partial_view_probability": 0.0, "tight_view_probability": 0.0})
        (draw,) = draw_synthesis(config, self.tissues, (depth, height, width), spacing_mm, 1, generator)
        image = self._raw(classes.long(), draw, spacing_mm)
        return of_image(image, self.preparation)(image)

    def _normalised(self, image: Tensor, draw: SynthesisDraw, volume: TissueVoxels) -> Tensor:
        """A patch (C, d, h, w), changed in place: as its volume would be, or as a tight crop of its own."""
        if draw.view is None or not draw.view.is_all:
            return of_tissues(draw, self.tissues, volume, self.preparation)(image)
        crop = image[:, *draw.view.box]
        # Measured on the CPU: in double precision, which not every device has.
        crop = of_image(crop.cpu(), self.preparation)(crop.clone())
        image[:] = crop.amin((1, 2, 3), keepdim=True)
        image[:, *draw.view.box] = crop
        return image

    def _raw(self, classes: Tensor, draw: SynthesisDraw, spacing_mm: Triple) -> Tensor:
        """(C, d, h, w) before it is normalised, all of it in view."""
        device = classes.device
        known = self._tables(device)
        generator = torch.Generator(device=device).manual_seed(draw.noise_seed)
        air, brain = known["is_air"][classes], known["in_brain"][classes]
        mean, std = draw.mean, draw.std
        if draw.lesions and draw.lesion_mean is not None:
            lesions = lesion_mask(known["is_white"][classes], draw.lesions, spacing_mm, generator)
            classes = torch.where(lesions, len(self.tissues), classes)
            mean = torch.cat([mean, draw.lesion_mean[:, None]], 1)
            std = torch.cat([std, std[:, self.tissues.is_white].mean(1, keepdim=True)], 1)
        image = std.float().to(device)[:, classes]
        image.mul_(torch.randn(image.shape, generator=generator, device=device))
        image.add_(mean.float().to(device)[:, classes]).clamp_(min=0)
        depth, height, width = classes.shape
        if draw.bias is not None:
            field = smooth_field(
                draw.bias.float().to(device), (depth, height, width), spacing_mm, self.config.bias_spacing_mm
            )
            image.mul_(field.exp_())
        if draw.gamma:
            image.pow_(torch.tensor(draw.gamma, device=device)[:, None, None, None])
        image = acquire(image, draw, spacing_mm, generator)
        kept = stripped_view(brain, draw, spacing_mm)
        if draw.zero_air:
            kept = kept & ~air
        return image.mul_(kept)

    def _tables(self, device: torch.device) -> Mapping[str, Tensor]:
        if device not in self._on_device:
            self._on_device[device] = {
                name: getattr(self.tissues, name).to(device) for name in ("is_air", "in_brain", "is_white")
            }
        return self._on_device[device]
