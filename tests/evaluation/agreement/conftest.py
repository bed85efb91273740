"""Published data that several tests of agreement are checked against."""

import numpy as np
import pytest
from numpy.typing import NDArray

# Bland and Altman, Lancet 1986, table: peak expiratory flow in l/min of 17 subjects, two readings with a
# Wright meter, two with a mini Wright meter.
_PEAK_FLOW = """
494 490 512 525   395 397 430 415   516 512 520 508   434 401 428 444   476 470 500 500   557 611 600 625
413 415 364 460   442 431 380 390   650 638 658 642   433 429 445 432   417 420 432 420   656 633 626 605
267 275 260 227   478 492 477 467   178 165 259 268   423 372 350 370   427 421 451 443
"""

# Bland and Altman, Statistical Methods in Medical Research 1999, table 4, and Journal of Biopharmaceutical
# Statistics 2007, table 1: cardiac ejection fraction by radionuclide ventriculography and by impedance
# cardiography, twelve subjects.
_VENTRICULOGRAPHY = """
7.83 7.42 7.89 7.12 7.88; 6.16 7.26 6.71 6.54; 4.75 5.24 4.86 4.78 6.05 5.42; 4.21 3.61 3.72 3.87 3.92;
3.13 2.98 2.85 3.17 3.09 3.12; 5.92 6.42 5.92 6.27; 7.13 6.62 6.58 6.93; 4.54 4.81 5.11 5.29 5.39 5.57;
4.48 4.92 3.97; 4.22 4.65 4.74 4.44 4.50; 6.78 6.07 6.52 6.42 6.41 5.76; 5.06 4.72 4.90 4.80 4.90 5.10
"""
_CARDIOGRAPHY = """
6.57 5.62 6.90 6.57 6.35; 4.06 4.29 4.26 4.09; 4.71 5.50 5.08 5.02 6.01 5.67; 4.14 4.20 4.61 4.68 5.04;
3.03 2.86 2.77 2.46 2.32 2.43; 5.90 5.81 5.70 5.76; 5.09 4.63 4.61 5.09; 4.72 4.61 4.36 4.20 4.36 4.20;
3.17 3.12 2.96; 4.35 4.62 3.16 3.53 3.53; 7.20 6.09 7.00 7.10 7.40 6.80; 4.50 4.20 3.80 3.80 4.20 4.50
"""


@pytest.fixture(scope="session")
def peak_flow() -> NDArray[np.float64]:
    """Columns Wright 1, Wright 2, mini 1, mini 2."""
    return np.array(_PEAK_FLOW.split(), dtype=float).reshape(17, 4)


@pytest.fixture(scope="session")
def ejection() -> tuple[NDArray[np.float64], NDArray[np.float64], list[int]]:
    """Ventriculography, cardiography and the subject of each of the 60 pairs."""
    subjects = [number for number, row in enumerate(_VENTRICULOGRAPHY.split(";"), start=1) for _ in row.split()]
    first, second = (
        np.array(rows.replace(";", " ").split(), dtype=float) for rows in (_VENTRICULOGRAPHY, _CARDIOGRAPHY)
    )
    return first, second, subjects
