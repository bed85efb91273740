"""The two age groups of the neuromelanin cohort, and how much brighter the nuclei of the older are.

What is published, and how it is used here:

- The groups. Betts et al. 2017 (NeuroImage 163:150): 25 younger adults of 22 to 30 years and 57 older ones of
  61 to 80, T1-weighted FLASH at 0.75 mm. P1 has as many of each (SPEC section 1).
- Locus coeruleus. The younger have the ratio of Tona et al. 2017 (Brain Struct Funct 222:4203), 13.9 +- 3.8
  percent. That the contrast rises until about 60 is found by Shibata et al. 2006 (Magn Reson Med Sci 5:197) in
  64 volunteers and by Liu et al. 2019 (Neurobiol Aging 74:101) in 605; the latter find greater variance in older
  adults too. Betts et al. see a higher maximum in the older, in the rostral third. How much higher it is here, and
  that it is higher along the whole nucleus, are choices of this phantom.
- Substantia nigra pars compacta. Shibata et al. 2008 (Biol Psychiatry 64:401) give 19.6 +- 3.8 percent. Kuang et al.
  2025 (Quant Imaging Med Surg, doi 10.21037/qims-2025-57) find a linear rise with age from 18 to 84 years,
  R^2 = 0.270, in the dorsal nigra of 95 volunteers. With 3.8 percent left unexplained, and 45 years
  between the groups, that makes about 5 percent, which is laid round the published mean. Xing et al. 2018 (Mov Disord
  33:1792), over 5 to 83 years, rather find a plateau and a late decline.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

AgeGroup = Literal["older", "younger"]

OLDER_OF_82 = 57
_PEOPLE = 82


@dataclass(frozen=True)
class GroupNumbers:
    """What tells one age group from the other.

    Attributes:
        age_years: lowest and highest age.
        contrast_ratio: mean and standard deviation of (S - reference) / reference for each structure.
    """

    age_years: tuple[float, float]
    contrast_ratio: Mapping[str, tuple[float, float]]


GROUPS: Mapping[AgeGroup, GroupNumbers] = {
    "younger": GroupNumbers((22.0, 30.0), {"SNpc": (0.165, 0.038), "LC": (0.139, 0.038)}),
    "older": GroupNumbers((61.0, 80.0), {"SNpc": (0.215, 0.038), "LC": (0.165, 0.045)}),
}


def group_of(index: int) -> AgeGroup:
    """Return the age group of a person by number: of any 82 in a row, 57 are older and 25 younger.

    The groups are interleaved, so that the first people of a cohort are a small cohort of the same make.
    """
    before, after = index * OLDER_OF_82 // _PEOPLE, (index + 1) * OLDER_OF_82 // _PEOPLE
    return "older" if after > before else "younger"


def age_of(index: int, seed: int) -> float:
    """Return a person's age in years, to a tenth, uniform over the range of the person's group."""
    low, high = GROUPS[group_of(index)].age_years
    generator = np.random.default_rng(np.random.SeedSequence([seed, index], spawn_key=(1,)))
    return round(float(generator.uniform(low, high)), 1)
