"""Where the neuromelanin nuclei and the reference region lie in the MNI152 template, and how large they are.

What is published, and how it is used here:

- Locus coeruleus, size and place. Fernandes et al. 2012 (Surg Radiol Anat 34:879), 40 nuclei of 20 adult
  brainstems: length 12.0 to 17.0 mm, mean 14.5; width 2.5 mm; height 2.0 mm; centre 3.2 +- 0.3 mm from the
  midline and 1.1 +- 0.2 mm below the floor of the fourth ventricle; diverging caudally. German et al. 1988
  (J Neurosci 8:1776) describe the same tube-like form with a rostrocaudal extent of about 16 mm. These are
  coordinates of the brainstem. They become MNI coordinates by the template's own floor of the ventricle
  (where 4 mm off the midline the cerebrospinal fluid begins: y = -39 at z = -26, y = -40 at z = -33), below
  which the axis is drawn at a depth of 1.3 to 1.4 mm; its rostral end lies beside the aqueduct, where there
  is no floor, in line with the rest. The axis runs 3.2 mm off the midline at its rostral
  end and 5 mm at its caudal one: somewhat lateral of the anatomical figure, because MNI152 is larger than
  the average brain. Keren et al. 2009 (NeuroImage 47:1261) mapped the nucleus in vivo in MNI space; the
  voxels of that map are not used.
- Substantia nigra pars compacta. Massey et al. 2017 (NeuroImage Clin 13:154) at 9.4 T: the crus cerebri
  bounds it in front, white matter between it and the red nucleus behind. Wengler et al. 2020 (NeuroImage
  208:116457) give the height of the nigra as about 15 mm. Here it is a crescent inside the crus of the
  template, 13 mm high, its MNI coordinates read off the template between those two landmarks. Its thickness
  (2.4 mm at most) is a choice of this phantom.
- Contrast ratios, as percent of the reference. Shibata et al. 2008 (Biol Psychiatry 64:401), 34 healthy
  controls: pars compacta 19.6 +- 3.8, against adjacent white matter. Tona et al. 2017 (Brain Struct Funct
  222:4203), 17 healthy volunteers: locus coeruleus 13.9 +- 3.8. In the phantom both are against one
  pontine region.
- The reference region stands for the pontine tegmentum of the protocol of Betts et al. 2017 (NeuroImage
  163:150); its form, an ellipsoid on the midline, is a choice of this phantom.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter, spline_filter

FloatArray = NDArray[np.float64]

STRUCTURES: Mapping[str, int] = {"SNpc": 1, "LC": 2}
"""Names of the structures and the values that stand for them in label maps."""

CONTRAST_RATIO: Mapping[str, tuple[float, float]] = {"SNpc": (0.196, 0.038), "LC": (0.139, 0.038)}
"""Mean and standard deviation over healthy people of (S - reference) / reference."""

FIELD_OF_VIEW_MM = ((-30.0, 30.0), (-50.5, -2.5), (-43.0, 5.0))
"""Lowest and highest MNI coordinate of the phantom on each axis: a structure of mean
size, undeformed, lies 8 mm or more inside."""

FieldOfView = Literal["midbrain", "wide"]

FIELDS_OF_VIEW: Mapping[FieldOfView, tuple[tuple[float, float], ...]] = {
    "midbrain": FIELD_OF_VIEW_MM,
    "wide": ((-60.0, 60.0), (-86.5, 33.5), (-67.0, 29.0)),
}
"""`midbrain` is small, so that a demonstration is quick. `wide` is 160 x 160 x 128 voxels of 0.75 mm: patches of
64 and windows of 128 fit in with room to spare. The one lies in the other by whole voxels of 0.75 mm."""

LC_LENGTH_MM = (14.5, 1.25)
"""Mean and standard deviation; the published range 12 to 17 mm is two standard deviations either way."""

_LC_HALF_WIDTH_MM = 1.25
_LC_HALF_HEIGHT_MM = 1.0
_LC_AXIS_Z = np.array([-32.0, -25.0, -18.0])
_LC_AXIS_X = np.array([5.0, 3.8, 3.2])
_LC_AXIS_Y = np.array([-38.9, -37.2, -35.8])
_LC_OBLIQUITY = 14.45 / 14.0
"""Length along the axis for each mm along z."""

_SN_CURVE = np.array([[5.0, -12.5], [7.6, -14.6], [10.2, -17.0], [12.2, -19.6], [13.4, -22.4]])
"""Points (x, y) of the crescent's middle line at z = -12, from its medial to its lateral end."""
_SN_HALF_THICKNESS_MM = 1.2
_SN_CENTRE_Z = -11.5
_SN_HALF_HEIGHT_MM = 6.5
_SN_SHIFT_PER_Z = np.array([0.12, 0.10])
"""Change of (x, y) for each mm upwards: the peduncles diverge upwards."""

_REFERENCE_CENTRE = np.array([0.0, -29.5, -25.5])
_REFERENCE_RADII = np.array([5.0, 2.8, 4.0])

_CISTERN_MM = 6.0
"""Fluid about the brain as thick as this keeps its signal, and as much again beyond it fades."""
_BONE_SIGNAL = 0.15
"""As a share of the fluid's."""


@dataclass(frozen=True)
class StructureSize:
    """One person's departure from the mean sizes: lengths in mm, thicknesses as factors of the mean."""

    lc_length_mm: float = 14.5
    lc_thickness: float = 1.0
    sn_thickness: float = 1.0


def inside_structure(name: str, positions_mm: FloatArray, size: StructureSize) -> NDArray[np.bool_]:
    """Tell which positions lie in a structure, on either side of the midline.

    Args:
        name: a key of `STRUCTURES`, or "reference".
        positions_mm: shape (..., 3), MNI coordinates.
        size: the person's sizes.

    Returns:
        Shape (...).
    """
    x, y, z = np.abs(positions_mm[..., 0]), positions_mm[..., 1], positions_mm[..., 2]
    if name == "LC":
        return _inside_lc(x, y, z, size)
    if name == "SNpc":
        return _inside_sn(x, y, z, size)
    scaled = (positions_mm - _REFERENCE_CENTRE) / _REFERENCE_RADII
    inside: NDArray[np.bool_] = np.sum(scaled**2, axis=-1) <= 1.0
    return inside


def bounding_box_mm(name: str) -> tuple[FloatArray, FloatArray]:
    """Return the lowest and highest MNI coordinates that a structure of any size may reach."""
    if name == "LC":
        return np.array([-8.0, -42.0, -35.0]), np.array([8.0, -32.5, -15.0])
    if name == "SNpc":
        return np.array([-18.0, -26.5, -19.0]), np.array([18.0, -9.0, -4.0])
    return _REFERENCE_CENTRE - _REFERENCE_RADII, _REFERENCE_CENTRE + _REFERENCE_RADII


@lru_cache(maxsize=2)
def template_tissue(field_of_view: FieldOfView = "midbrain") -> tuple[NDArray[np.float32], FloatArray]:
    """Return the template's T1-weighted signal around the midbrain, the brainstem's own being about 1.

    The MNI152 template that nilearn ships is cut to the field of view and a margin. It is stripped of
    all that is not brain; the void is filled with the signal of cerebrospinal fluid, since what lies
    there is the cistern before the pons. In the wide field of view it turns dark away from the brain, as
    bone is; there is no scalp and no neck.

    Args:
        field_of_view: a key of `FIELDS_OF_VIEW`.

    Returns:
        Cubic spline coefficients of the signal, shape (D, H, W), and their affine in mm.
    """
    from nilearn.datasets import load_mni152_template  # slow to import

    image = load_mni152_template(resolution=1)
    margin_mm = 16.0
    extent_mm = FIELDS_OF_VIEW[field_of_view]
    low = np.array([bound[0] - margin_mm for bound in extent_mm])
    high = np.array([bound[1] + margin_mm for bound in extent_mm])
    origin = image.affine[:3, 3]
    start = np.maximum(np.floor(low - origin).astype(int), 0)
    stop = np.ceil(high - origin).astype(int)
    data = np.asarray(image.dataobj, dtype=np.float64)[tuple(map(slice, start, stop))]
    affine = image.affine.copy()
    affine[:3, 3] = origin + start
    brainstem, fluid = 0.76, 0.33
    void = gaussian_filter((data <= 0).astype(np.float64), 0.7)
    signal = np.maximum(data * (1 - void) + fluid * void, fluid) / brainstem
    if field_of_view == "wide":
        beyond = distance_transform_edt(data <= 0) - _CISTERN_MM
        signal *= 1.0 - (1.0 - _BONE_SIGNAL) * np.clip(beyond / _CISTERN_MM, 0.0, 1.0)
    return spline_filter(signal, order=3, output=np.float32), affine


def _inside_lc(x: FloatArray, y: FloatArray, z: FloatArray, size: StructureSize) -> NDArray[np.bool_]:
    centre_z = _LC_AXIS_Z.mean()
    along = (z - centre_z) / (size.lc_length_mm / 2.0 / _LC_OBLIQUITY)
    taper = 1.0 - along**4  # blunt ends, as of a rod
    axis_x = np.interp(z, _LC_AXIS_Z, _LC_AXIS_X)
    axis_y = np.interp(z, _LC_AXIS_Z, _LC_AXIS_Y)
    across = ((x - axis_x) / _LC_HALF_WIDTH_MM) ** 2 + ((y - axis_y) / _LC_HALF_HEIGHT_MM) ** 2
    inside: NDArray[np.bool_] = across <= taper * size.lc_thickness**2
    return inside


def _inside_sn(x: FloatArray, y: FloatArray, z: FloatArray, size: StructureSize) -> NDArray[np.bool_]:
    upwards = z - _SN_CENTRE_Z
    taper = 1.0 - (upwards / _SN_HALF_HEIGHT_MM) ** 2
    px, py = x - _SN_SHIFT_PER_Z[0] * upwards, y - _SN_SHIFT_PER_Z[1] * upwards
    inside = np.zeros(x.shape, dtype=bool)
    segments = len(_SN_CURVE) - 1
    for index in range(segments):
        (ax, ay), (bx, by) = _SN_CURVE[index], _SN_CURVE[index + 1]
        length2 = (bx - ax) ** 2 + (by - ay) ** 2
        share = np.clip(((px - ax) * (bx - ax) + (py - ay) * (by - ay)) / length2, 0.0, 1.0)
        distance2 = (px - ax - share * (bx - ax)) ** 2 + (py - ay - share * (by - ay)) ** 2
        from_middle = (index + share) / segments * 2.0 - 1.0
        half_thickness = _SN_HALF_THICKNESS_MM * size.sn_thickness * (1.0 - 0.45 * from_middle**2)
        inside |= distance2 <= half_thickness**2 * taper
    return inside
