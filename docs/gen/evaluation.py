"""Rewrite the tables of ``docs/reference/evaluation-files.md`` from the program itself.

Run ``python docs/gen/evaluation.py`` after a change to a measure, column, flag or policy; with
``--check`` the exit status says whether the page is up to date, and nothing is written. A tiny
invented cohort is measured on the way, so that every column of every table is known to be described.
"""

import inspect
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args, get_type_hints

import evaluation_columns as columns
import griffe
import numpy as np
import pandas as pd
from page_rewriting import rewrite_page

from neurograft.evaluation import policies
from neurograft.evaluation.biomarkers.quality import FLAG_MEANINGS
from neurograft.evaluation.lesions.matching import MATCH_WORDS
from neurograft.evaluation.measures import MEASURES
from neurograft.evaluation.overlap.slices import SLICE_POLICY_WORDS
from neurograft.evaluation.regression import RegressionFigures
from neurograft.imaging.grid import Grid
from neurograft.scoring.files import EvaluationSummary
from neurograft.scoring.measuring import measure_case
from neurograft.scoring.methods import compare_evaluations, comparison_summary
from neurograft.scoring.numbers import score_numbers
from neurograft.scoring.options import BOTH_SURFACES, ScoringOptions
from neurograft.scoring.reading import CaseArrays
from neurograft.scoring.tables import make_tables

PAGE = Path(__file__).parents[1] / "reference" / "evaluation-files.md"
BLOCK = re.compile(r"(<!-- table: (?P<name>[\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)

OPTIONS = {
    "empty": ("--empty", policies.EMPTY_WORDS),
    "distance": ("--distance", policies.DISTANCE_WORDS),
    "missing": ("--missing", policies.MISSING_WORDS),
    "extra": ("--extra", policies.EXTRA_WORDS),
    "grids": ("--grids", policies.GRID_WORDS),
}
"""Option of ``neurograft evaluate`` and words of the choices, by field of `policies.Policies`."""


def table(heading: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table; signs that Markdown would take for its own are kept from it."""
    lines = [" | ".join(heading)]
    lines.append("|".join("---" for _ in lines[0].split(" | ")))
    lines += [" | ".join(cell.replace("|", "\\|") for cell in row) for row in rows]
    lines[1] = f"|{lines[1]}|"
    return "\n".join(line if line.startswith("|-") else f"| {line} |" for line in lines) + "\n"


def column_table(meanings: Mapping[str, str]) -> str:
    """Columns and meanings; a column and the two ends of its interval share a row."""
    rows = []
    for name, meaning in meanings.items():
        ends = [f"{name}_low", f"{name}_high"]
        if name.endswith(("_low", "_high")) and name.rpartition("_")[0] in meanings:
            continue
        names = [name, *(end for end in ends if end in meanings)]
        rows.append((", ".join(f"`{one}`" for one in names), meaning))
    return table(("column", "meaning"), rows)


def word_table(heading: str, words: Mapping[str, str]) -> str:
    """Values that a column, field or option may have, and what each means."""
    return table((heading, "meaning"), ((f"`{name}`", meaning) for name, meaning in words.items()))


def described(frame: pd.DataFrame, meanings: Mapping[str, str], name: str) -> dict[str, str]:
    """Meanings in the order of a table's columns; interval ends need none of their own.

    Raises:
        SystemExit: a column without a meaning, or the other way round.
    """
    ends = {f"{column}{end}" for column in frame for end in ("_low", "_high")} & set(frame)
    if wrong := (set(frame) - ends) ^ (set(meanings) - ends):
        raise SystemExit(f"{name}: columns and meanings differ in {', '.join(sorted(wrong))}")
    return {column: meanings.get(column, "") for column in frame}


def fields_of(kind: type) -> dict[str, str]:
    """What a class says of its fields, in its ``Args:`` or below each of them, as the tables write it."""
    said: dict[str, str] = {}
    for section in griffe.Docstring(inspect.getdoc(kind) or "").parse("google", warn_missing_types=False):
        if section.kind is griffe.DocstringSectionKind.parameters:
            said |= {field.name: field.description for field in section.value}
    members = griffe.load(kind.__module__, allow_inspection=False)[kind.__name__].attributes
    said |= {name: member.docstring.value for name, member in members.items() if member.docstring}
    plain = {name: " ".join(text.replace("``", "`").split()).removesuffix(".") for name, text in said.items()}
    return {name: text[:1].lower() + text[1:] for name, text in plain.items()}


def measured_tables() -> dict[str, pd.DataFrame]:
    """Every table of an evaluation of four invented cases."""
    grid = Grid.from_affine((12, 12, 12), np.eye(4))
    options = ScoringOptions(surfaces=BOTH_SURFACES, slices="skip", lesions=("lesion",), biomarkers=True, draws=10)
    cases = []
    for number in range(4):
        generator = np.random.default_rng(number)
        reference = np.zeros(grid.shape, np.int16)
        reference[2:5, 2:6, 2:5], reference[7:10, 2 : 5 + number, 2:5] = 1, 2
        region = np.zeros(grid.shape, bool)
        region[2:6, 8:11, 6:11] = True
        prediction, other = (np.roll(reference, 1, axis) for axis in (1, 2))
        image = generator.normal(100, 5, grid.shape)
        arrays = CaseArrays(reference, prediction, grid, image, region, {"second": other})
        name = f"case-{number}"
        cases.append(measure_case(name, name, arrays, ["structure", "lesion"], frozenset(), options))
    tables = make_tables(cases, ["structure", "lesion"], options)
    return {name: frame for name, frame in vars(tables).items() if isinstance(frame, pd.DataFrame)}


def policy_table() -> str:
    """Every policy with its choices, the default first marked."""
    default = policies.Policies().to_dict()
    rows = []
    for field, hint in get_type_hints(policies.Policies).items():
        option, words = OPTIONS[field]
        for choice in get_args(hint):
            rows.append((f"`{option} {choice}`", "yes" if default[field] == choice else "", words[choice]))
    return table(("choice", "default", "words beside the figures"), rows)


def compared(per_case: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Scores, comparison and JSON summary of two runs of one method and two of another."""
    with TemporaryDirectory() as parent:
        runs = [(method, Path(parent) / f"{method}{run}") for method in ("one", "other") for run in (0, 1)]
        for _, folder in runs:
            folder.mkdir()
            per_case.to_csv(folder / "per_case.tsv", sep="\t", index=False)
        found = compare_evaluations(runs, ["dice"])
    return found.scores, found.comparison, comparison_summary(found)


def number_pairs() -> pd.DataFrame:
    """Pairs of a comparison of numbers."""
    with TemporaryDirectory() as parent:
        file = Path(parent) / "ages.tsv"
        file.write_text("subject\tage\na\t20\nb\t30\nc\t50\n", "utf-8")
        return score_numbers(file, file, "age").pairs


def schema_text() -> str:
    """The JSON schema of ``summary.json``, a line a field."""
    schema = EvaluationSummary.model_json_schema()
    fields = [f"    {json.dumps(name)}: {json.dumps(field)}" for name, field in schema["properties"].items()]
    rest = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in schema.items() if key != "properties"]
    return "\n".join(("{", '  "properties": {', ",\n".join(fields), "  },", ",\n".join(rest), "}"))


def blocks() -> dict[str, str]:
    """The content of every block of the page."""
    tables = measured_tables()
    per_case = tables["per_case"]
    scores, comparison, in_json = compared(per_case)
    tables |= {"scores": scores, "comparison": comparison, "number-pairs": number_pairs()}
    tables["per_case"] = per_case[[name for name in per_case if name not in MEASURES]]
    described(pd.DataFrame(columns=list(in_json)), columns.COMPARISON_JSON, "comparison.json")
    regression = {"quantity": "column that was compared", **fields_of(RegressionFigures)}
    fields = columns.SUMMARY_JSON | fields_of(EvaluationSummary)
    return {
        **{
            name.replace("_", "-"): column_table(described(tables[name], meanings, name))
            for name, meanings in columns.BY_TABLE.items()
        },
        "status": word_table("status", columns.STATUS),
        "measures": table(
            ("column", "unit", "better", "meaning"),
            ((f"`{one.name}`", one.unit, one.better.replace("-", " "), one.meaning) for one in MEASURES.values()),
        ),
        "flags": word_table("flag", FLAG_MEANINGS),
        "matching": word_table("policy", MATCH_WORDS),
        "policies": policy_table(),
        "slices": word_table("`--slices`", SLICE_POLICY_WORDS),
        "summary-fields": word_table("field", {name: fields[name] for name in EvaluationSummary.model_fields}),
        "summary-schema": f"```json\n{schema_text()}\n```\n",
        "comparison-json": word_table("field", columns.COMPARISON_JSON),
        "regression": table(("column", "meaning"), ((f"`{name}`", words) for name, words in regression.items())),
    }


def rewritten(page: str) -> str:
    """The page with every table made anew.

    Raises:
        SystemExit: the page names a table that does not exist, or lacks one.
    """
    content = blocks()
    named = {match["name"] for match in BLOCK.finditer(page)}
    if wrong := named ^ set(content):
        raise SystemExit(f"{PAGE.name}: tables of the page and of this program differ in {', '.join(sorted(wrong))}")
    return BLOCK.sub(lambda match: f"{match[1]}\n{content[match['name']]}\n{match[3]}", page)


if __name__ == "__main__":
    raise SystemExit(rewrite_page(PAGE, rewritten))
