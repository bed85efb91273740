"""Features of two or more cohorts in the plane: PCA and t-SNE, and how far the cohorts lie apart."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from neurograft.errors import InputError
from neurograft.outputs import atomic_file
from neurograft.reports.svg import new_figure

PERPLEXITY = 30
NEIGHBOURS = 10
_LOOKS = (("#0072b2", "o"), ("#d55e00", "^"), ("#009e73", "s"), ("#cc79a7", "D"), ("#e69f00", "v"))
"""Colour (Okabe and Ito 2008) and mark of each cohort."""
_FIRST_COMPONENTS = 50
"""t-SNE starts from as many principal components, as its authors recommend."""


def project(features: NDArray[np.float32], seed: int = 0) -> pd.DataFrame:
    """Principal components and t-SNE of features.

    Args:
        features: (V, F); every feature is brought to mean 0 and standard deviation 1 first.
        seed: of t-SNE.

    Returns:
        Columns ``pc1``, ``pc2``, ``tsne1``, ``tsne2``.

    Raises:
        InputError: fewer voxels than t-SNE needs.

    Reference:
        van der Maaten and Hinton 2008, "Visualizing data using t-SNE"; P5 shows the 555 features so.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    if len(features) < 2 * PERPLEXITY:
        raise InputError(f"{len(features)} voxels are too few to project", f"Take {2 * PERPLEXITY} or more in all")
    scaled = standardised(features)
    components = PCA(min(_FIRST_COMPONENTS, *scaled.shape), random_state=seed).fit_transform(scaled)
    plane = TSNE(2, perplexity=PERPLEXITY, init="pca", random_state=seed).fit_transform(components)
    return pd.DataFrame(np.hstack([components[:, :2], plane]), columns=["pc1", "pc2", "tsne1", "tsne2"])


def standardised(features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Features with mean 0 and standard deviation 1; a feature that never changes is 0."""
    values = features.astype(np.float64)
    values -= values.mean(axis=0)
    spread = values.std(axis=0)
    return np.asarray(np.divide(values, spread, out=np.zeros_like(values), where=spread > 0))


def own_cohort_share(features: NDArray[np.float32], voxels: pd.DataFrame) -> float:
    """Share of a voxel's nearest neighbours that are of its own cohort, voxels of its own scan left out.

    Every voxel looks at its `NEIGHBOURS` nearest in all features. Where cohorts of equal size are mixed
    the share is near one over their number; 1 is a gap that no voxel crosses.

    Args:
        features: (V, F).
        voxels: with ``cohort`` and ``case``.

    Returns:
        The mean over cohorts of the mean over their voxels; other cohorts' voxels are weighted so that
        all cohorts count alike whatever their size.
    """
    scaled = standardised(features).astype(np.float32)
    squares = (scaled**2).sum(axis=1)
    cohorts, cases = voxels["cohort"].to_numpy(), (voxels["cohort"] + "/" + voxels["case"]).to_numpy()
    shares = np.zeros(len(scaled))
    for number, one in enumerate(scaled):
        distances = squares - 2 * (scaled @ one)
        others = np.flatnonzero(cases != cases[number])
        order = others[np.argsort(distances[others], kind="stable")[:NEIGHBOURS]]
        sizes = {name: np.count_nonzero(cohorts[others] == name) for name in np.unique(cohorts)}
        weights = np.array([1 / sizes[name] for name in cohorts[order]])
        own = cohorts[order] == cohorts[number]
        shares[number] = weights[own].sum() / weights.sum()
    return float(np.mean([shares[cohorts == name].mean() for name in np.unique(cohorts)]))


def write_feature_figure(path: Path, projected: pd.DataFrame, title: str) -> None:
    """Draw both projections, a colour and mark a cohort, as a PNG or SVG.

    Args:
        path: of the picture, which is replaced.
        projected: ``cohort`` and the columns of `project`.
        title: above.
    """
    with atomic_file(path) as partial:
        figure = new_figure(9.0, 4.6)
        figure.set_facecolor("white")
        figure.suptitle(title)
        for number, (kind, first, second) in enumerate((("PCA", "pc1", "pc2"), ("t-SNE", "tsne1", "tsne2")), start=1):
            ax = figure.add_subplot(1, 2, number)
            for place, (name, points) in enumerate(projected.groupby("cohort", sort=False)):
                colour, mark = _LOOKS[place % len(_LOOKS)]
                ax.plot(points[first], points[second], mark, color=colour, markersize=3, alpha=0.6, label=str(name))
            ax.set_title(kind)
            ax.set_xticks([])
            ax.set_yticks([])
            if number == 1:
                ax.legend(loc="best")
        figure.tight_layout()
        figure.savefig(partial, format=path.suffix.removeprefix("."), dpi=150)
