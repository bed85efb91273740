"""Where red nucleus, substantia nigra and subthalamic nucleus lie in the MNI152 template, and how large they are.

What is published, and how it is used here:

- Subthalamic nucleus. Mavridis et al. 2013 (Anat Res Int 2013:319710), 26 patients' scans and 32 hemispheres:
  7.7 to 8.1 mm long and 6.0 to 6.3 mm wide in the axial plane 4 mm below the commissures, at most 8.5 mm across;
  a biconvex lens. Horn et al. 2017 (NeuroImage 150:395) give the place where stimulation helps, which lies in its
  upper lateral part, as about 12.6, -13.4, -5.9 in MNI coordinates. Here it is a flat ellipsoid of 8.4 x 6 x 3.4 mm,
  rising laterally, whose centre lies 2 mm below and medially of that place. Its thickness is a choice of this phantom.
- Substantia nigra. Massey et al. 2017 (NeuroImage Clin 13:154) at 9.4 T: the crus cerebri bounds it in front, white
  matter between it and the red nucleus behind; Wengler et al. 2020 (NeuroImage 208:116457) give its height as about
  15 mm. Here it is a crescent along the crus of the template, both parts of the nigra together, 14 mm high and 3.4 mm
  thick at most. Height and thickness are choices within what is published.
- Red nucleus. An ellipsoid of 6 x 6 x 8 mm, behind and medially of the nigra, centred where the two landmarks leave
  room for it in the template: 5.5, -20, -8. Its size is a choice of this phantom.
- Susceptibility. Schaefer et al. 2012 (Hum Brain Mapp 33:2831), 8 people at 7 T: nigra 0.10 ppm, subthalamic nucleus
  0.06 ppm. The red nucleus' 0.08 ppm lies between them and is a choice, as are all standard deviations. Li et al. 2021
  (Front Neurosci 14:607705) find that slices of 2 mm lower the mean over small nuclei by about a tenth, which the
  phantom shows too, through partial volume.
- The pallidum, 0.13 ppm, is there as a bright neighbour that is never labelled; its form is rough.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

NUCLEI = ("RN", "SN", "STN")
"""Red nucleus, substantia nigra, subthalamic nucleus."""

SUSCEPTIBILITY_PPM: Mapping[str, tuple[float, float]] = {"RN": (0.08, 0.015), "SN": (0.10, 0.02), "STN": (0.06, 0.012)}
"""Mean and standard deviation over people."""

PALLIDUM_PPM = 0.13

_RN_CENTRE = np.array([5.5, -20.0, -8.0])
_RN_RADII = np.array([3.0, 3.0, 4.0])

_STN_CENTRE = np.array([11.2, -13.6, -7.4])
_STN_RADII = np.array([4.2, 3.0, 1.7])
_STN_LONG_AXIS = np.array([0.80, -0.35, 0.49])
"""Laterally, backwards and upwards."""
_STN_THIN_AXIS = np.array([-0.50, 0.05, 0.86])

_SN_CURVE = np.array([[5.0, -11.8], [7.8, -13.8], [10.6, -16.4], [12.6, -19.2], [13.8, -22.2]])
"""Points (x, y) of the crescent's middle line at its middle height, from the medial to the lateral end."""
_SN_HALF_THICKNESS_MM = 1.7
_SN_CENTRE_Z = -12.5
_SN_HALF_HEIGHT_MM = 7.0
_SN_SHIFT_PER_Z = np.array([0.12, 0.10])
"""Change of (x, y) for each mm upwards: the peduncles diverge upwards."""

_PALLIDUM_CENTRE = np.array([19.0, -5.0, -1.5])
_PALLIDUM_RADII = np.array([4.0, 8.0, 4.5])

_REACH_MM: Mapping[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "RN": ((0.0, -25.0, -14.0), (10.5, -15.0, -2.0)),
    "SN": ((1.0, -27.0, -22.5), (19.0, -6.0, -2.5)),
    "STN": ((5.0, -19.5, -13.0), (17.5, -8.0, -2.0)),
    "pallidum": ((13.0, -15.0, -8.0), (25.0, 5.0, 5.0)),
}
"""Lowest and highest coordinates, on the right, that a nucleus of any size may reach."""


@dataclass(frozen=True)
class NucleusSizes:
    """One person's, or one drawing's, departure from the mean sizes: a factor of the radii for each nucleus."""

    factor: Mapping[str, float] = field(default_factory=dict)

    def of(self, name: str) -> float:
        """The factor of a nucleus."""
        return self.factor.get(name, 1.0)


def inside_nucleus(name: str, positions_mm: FloatArray, sizes: NucleusSizes) -> NDArray[np.bool_]:
    """Tell which positions lie in a nucleus, on either side of the midline; no position lies in two.

    Args:
        name: one of `NUCLEI`, or "pallidum".
        positions_mm: shape (..., 3), MNI coordinates.
        sizes: the person's sizes.

    Returns:
        Shape (...).
    """
    mirrored = positions_mm.copy()
    mirrored[..., 0] = np.abs(mirrored[..., 0])
    factor = sizes.of(name)
    if name == "STN":
        return _inside_stn(mirrored, factor)
    if name == "SN":
        return _inside_sn(mirrored, factor) & ~_inside_stn(mirrored, sizes.of("STN"))
    centre, radii = (_RN_CENTRE, _RN_RADII) if name == "RN" else (_PALLIDUM_CENTRE, _PALLIDUM_RADII)
    inside: NDArray[np.bool_] = np.sum(((mirrored - centre) / (radii * factor)) ** 2, axis=-1) <= 1.0
    return inside


def nucleus_box_mm(name: str) -> tuple[FloatArray, FloatArray]:
    """Return the lowest and highest MNI coordinates that a nucleus of any size may reach, on both sides."""
    low, high = (np.array(corner) for corner in _REACH_MM[name])
    low[0] = -high[0]
    return low, high


def _inside_stn(positions_mm: FloatArray, factor: float) -> NDArray[np.bool_]:
    long = _STN_LONG_AXIS / np.linalg.norm(_STN_LONG_AXIS)
    thin = _STN_THIN_AXIS - (_STN_THIN_AXIS @ long) * long
    thin /= np.linalg.norm(thin)
    axes = np.stack([long, np.cross(thin, long), thin])
    along = (positions_mm - _STN_CENTRE) @ axes.T
    inside: NDArray[np.bool_] = np.sum((along / (_STN_RADII * factor)) ** 2, axis=-1) <= 1.0
    return inside


def _inside_sn(positions_mm: FloatArray, factor: float) -> NDArray[np.bool_]:
    upwards = positions_mm[..., 2] - _SN_CENTRE_Z
    taper = 1.0 - (upwards / _SN_HALF_HEIGHT_MM) ** 2
    px = positions_mm[..., 0] - _SN_SHIFT_PER_Z[0] * upwards
    py = positions_mm[..., 1] - _SN_SHIFT_PER_Z[1] * upwards
    inside = np.zeros(px.shape, dtype=bool)
    segments = len(_SN_CURVE) - 1
    for index, ((ax, ay), (bx, by)) in enumerate(pairwise(_SN_CURVE)):
        length2 = (bx - ax) ** 2 + (by - ay) ** 2
        share = np.clip(((px - ax) * (bx - ax) + (py - ay) * (by - ay)) / length2, 0.0, 1.0)
        distance2 = (px - ax - share * (bx - ax)) ** 2 + (py - ay - share * (by - ay)) ** 2
        from_middle = (index + share) / segments * 2.0 - 1.0
        half_thickness = _SN_HALF_THICKNESS_MM * factor * (1.0 - 0.45 * from_middle**2)
        inside |= distance2 <= half_thickness**2 * taper
    return inside
