"""The model card: what a bundle is, how it came about and what it must not be used for."""

from collections.abc import Mapping
from typing import Any

import jinja2

# The rows of a Markdown table and its paragraphs must each stay on one line.
# ruff: noqa: E501
TEMPLATE = """\
# {{ info.name }}

{{ "A segmentation model" if kind == "segmentation" else "A pre-trained model" }} of brain MRI made with neurograft {{ info.versions.neurograft }}.

| | |
|---|---|
| Trained for | {{ kind.replace("_", " ") }} |
| Labels | {% for label in info.labels.labels %}{{ label.name }} ({{ label['values'][0] }}){{ ", " if not loop.last }}{% else %}none: it has learnt from images alone{% endfor %} |
| Input channels | {{ info.channels | join(", ") }} |
| Voxel spacing of the training images (median) | {{ info.spacing_mm | map("round", 3) | join(" x ") }} mm |
| Network | {{ info.recipe.network.name }}, channels {{ info.recipe.network.channels | join("-") }}, {{ "{:,}".format(parameters) }} parameters |
| Strategy | {{ info.strategy }} |
| Source | {{ info.parent.name ~ " (" ~ info.parent.weights_sha256[:12] ~ ")" if info.parent else "none: trained from random weights" }} |
| Training subjects | {{ info.training.training_subjects }} (and {{ info.training.validation_subjects }} to choose the weights) |
| Steps, seconds | {{ info.training.steps }}, {{ info.training.seconds | round(1) }} |
| Weights kept | {{ info.training.kept }} |
{% if info.age %}| Age | learnt from the column {{ info.age.covariate }}; mean of the training subjects {{ info.age.training_mean | round(2) }}, SD of the scale {{ info.age.sd | round(2) }} |
{% endif -%}
| Seed | {{ info.training.seed }} |
| Trained on | {{ info.training.compute }}{{ ", " ~ info.training.machine if info.training.machine is defined }} |
| Date | {{ info.training.date }} |
{% if info.storage == "float16" %}| Weights on disk | half precision; single precision in memory |
{% endif -%}

## Use

{% if kind == "segmentation" %}    neurograft predict --model {{ info.name }} --input SCANS --out MASKS
{%- else %}    neurograft adapt --source {{ info.name }} --cohort LABELLED --out MODEL

It segments nothing before that.
{%- endif %}

Scans need the channels above. Intensities are normalised by `{{ info.recipe.preparation.normalisation }}`;
{% if info.recipe.preparation.spacing_mm %}scans are resampled to {{ info.recipe.preparation.spacing_mm | join(" x ") }} mm and masks come back on the scan's own grid.
{%- else %}scans are used at their own voxel size, which should be near the one above.
{%- endif %}

## What was transferred

{% if info.parent %}Tensors read from the source: {% for action, count in info.loading.items() %}{{ count }} {{ action }}{{ ", " if not loop.last }}{% endfor %}.
{%- if info.folded %} All of it, as it is. Its labels are sums of the source's: {% for to, parts in info.folded.items() %}{{ to }} of {{ parts | join(" and ") }}{{ ", " if not loop.last }}{% endfor %}; all else is background.{% endif %}
{%- if info.label_from %} Outputs that started from another label: {% for to, origin in info.label_from.items() %}{{ to }} from {{ origin }}{{ ", " if not loop.last }}{% endfor %}.{% endif %}
{%- else %}Nothing.
{%- endif %}

| unit | learning-rate scale | norm | begins at share of budget | reset |
|---|---|---|---|---|
{% for row in info.plan -%}
| {{ row.unit }} | {{ row.learning_rate_scale | round(4) }} | {{ row.norm }} | {{ row.release | round(3) }} | {{ "yes" if row.reset else "no" }} |
{% endfor %}
{% if info.figures %}## Figures

| {{ info.figures[0].keys() | join(" | ") }} |
|{% for key in info.figures[0] %}---|{% endfor %}
{% for row in info.figures -%}
| {{ row.values() | join(" | ") }} |
{% endfor %}
{% endif -%}
{% if info.volumes %}## Volumes of the training cases

A mask far outside of these is flagged by `neurograft predict`.

| label | cases | mean, mm³ | smallest | largest |
|---|---|---|---|---|
{% for row in info.volumes -%}
| {{ row.label }} | {{ row.cases }} | {{ "%.1f" | format(row.mean_mm3) }} | {{ "%.1f" | format(row.smallest_mm3) }} | {{ "%.1f" | format(row.largest_mm3) }} |
{% endfor %}
{% endif -%}
{% if info.sources %}## Training data

{% for name, digest in info.sources.items() -%}
- `{{ name }}`: sha256 {{ digest }}
{% endfor %}
{% endif -%}
## Limits

{% for sentence in info.limits -%}
- {{ sentence }}
{% endfor -%}
{% if info.recipe.synthesis.enabled and not info.parent -%}
- All images that it has learnt from were made from label maps while it was trained; it has seen no real scan.
{% endif -%}
- Not a medical device. No claim is made for scans that differ from the training scans in scanner,
  sequence, population or pathology; check masks by eye and score some against your own labels.
- A figure for this model belongs to the subjects it was measured on, which must not be among the
  training subjects. Their fingerprints are in `bundle.json`, so that an overlap can be refused.
{% if not info.training.validation_subjects %}- No subject was held out: the last weights were kept, and no figure was used to choose them.
{% endif %}"""


def model_card(info: Mapping[str, Any], parameters: int) -> str:
    """Render the card of a bundle, in Markdown.

    Args:
        info: ``bundle.json`` as plain data.
        parameters: how many the network has.
    """
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False, keep_trailing_newline=True)
    kind = info["recipe"]["task"]["kind"]
    return environment.from_string(TEMPLATE).render(info=info, parameters=parameters, kind=kind)
