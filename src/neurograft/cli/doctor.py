"""``neurograft doctor``: what this machine has, what it is good for, and what stands in its way."""

from typing import Annotated

import typer

from neurograft.cli.options import JsonOption


def doctor(
    recipe: Annotated[
        list[str] | None,
        typer.Option("--recipe", help="Measure this recipe only; may be repeated.", show_default=False),
    ] = None,
    measure: Annotated[bool, typer.Option("--measure/--no-measure", help="Measure the recipes' networks.")] = True,
    json: JsonOption = False,
) -> None:
    """Say what this machine has, how long training steps and scans will take, and known traps.

    Measuring all built-in recipes takes a few minutes the first time.
    """
    from dataclasses import asdict

    from neurograft.cli.display import progress_bar, show_json, show_table
    from neurograft.hardware import known_traps, machine_facts
    from neurograft.recipes import load_recipe, recipe_names
    from neurograft.training.expectations import SCAN_MM, expect

    recipes = {name: load_recipe(name) for name in recipe or recipe_names()}
    facts = machine_facts()
    traps = known_traps(facts)
    expected = []
    if measure:
        with progress_bar("Measuring") as progress:
            for number, (name, content) in enumerate(recipes.items(), start=1):
                expected.append(expect(name, content))
                progress(number, len(recipes))
    if json:
        show_json(
            {
                "machine": asdict(facts),
                "traps": [asdict(trap) for trap in traps],
                "scan_mm": SCAN_MM,
                "recipes": [asdict(one) for one in expected],
            }
        )
        return
    rows: list[tuple[str, str]] = [
        ("machine", facts.summary),
        ("cores, threads", f"{facts.cores:g}, {facts.threads}"),
        ("memory", f"{facts.memory_gib:.1f} GiB, {facts.free_memory_gib:.1f} GiB free"),
        ("instructions", ", ".join(facts.instructions) or "not listed by this system"),
        ("GPU", ", ".join(facts.accelerators) or "none"),
        ("libraries", ", ".join(f"{name} {version}" for name, version in facts.versions.items())),
    ]
    show_table("This machine", ("", ""), rows)
    if expected:
        size = " x ".join(f"{length:g}" for length in SCAN_MM)
        engines = list(dict.fromkeys(engine for one in expected for engine in one.scan_seconds))
        show_table(
            f"Expected seconds: a training step, and a scan of {size} mm",
            ("recipe", "parameters", "a step is computed in", "step", "windows", *engines),
            [
                (
                    one.recipe,
                    f"{one.parameters:,}",
                    one.compute,
                    one.step_seconds,
                    one.windows,
                    *(one.scan_seconds.get(engine, float("nan")) for engine in engines),
                )
                for one in expected
            ],
        )
    for trap in traps:
        typer.echo(f"{trap.problem}. {trap.mend}.")
    if not traps:
        typer.echo("No known trap.")
