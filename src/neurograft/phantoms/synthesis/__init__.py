"""Images made from label maps, patch by patch: drawn first, then made, so that any can be made again."""

from neurograft.phantoms.synthesis.draw import SynthesisDraw
from neurograft.phantoms.synthesis.look import Look, LookRow, read_look
from neurograft.phantoms.synthesis.synthesiser import Synthesiser
from neurograft.phantoms.synthesis.tissues import Tissues
from neurograft.phantoms.synthesis.view import View
from neurograft.phantoms.synthesis.volumes import GenerationMap, TissueVoxels

__all__ = [
    "GenerationMap",
    "Look",
    "LookRow",
    "SynthesisDraw",
    "Synthesiser",
    "TissueVoxels",
    "Tissues",
    "View",
    "read_look",
]
