import math

import pytest
import torch

from neurograft.recipes.schema import OptimiserConfig
from neurograft.training.schedule import Plateau, rate_factor


def test_poly_begins_at_one_and_stands_at_half_time_where_the_formula_says() -> None:
    config = OptimiserConfig(schedule="poly", poly_exponent=0.9)
    assert rate_factor(config, 0, 1000) == 1.0
    assert rate_factor(config, 500, 1000) == pytest.approx(0.5359, abs=5e-5)
    assert rate_factor(config, 1000, 1000) == 0.0


def test_poly_agrees_with_torch() -> None:
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = torch.optim.lr_scheduler.PolynomialLR(optimiser, total_iters=40, power=0.9)
    for step in range(40):
        assert rate_factor(OptimiserConfig(schedule="poly"), step, 40) == pytest.approx(schedule.get_last_lr()[0])
        optimiser.step()
        schedule.step()


def test_cosine_falls_along_half_a_wave() -> None:
    config = OptimiserConfig(schedule="cosine")
    factors = [rate_factor(config, step, 8) for step in range(9)]
    assert factors == pytest.approx([(1 + math.cos(math.pi * k / 8)) / 2 for k in range(9)])
    assert factors[4] == pytest.approx(0.5)


def test_constant_and_plateau_are_one_from_here() -> None:
    for name in ("constant", "plateau"):
        assert {rate_factor(OptimiserConfig(schedule=name), step, 9) for step in range(10)} == {1.0}


def test_warm_up_rises_linearly_and_never_starts_at_nothing() -> None:
    config = OptimiserConfig(schedule="constant", warmup_steps=4)
    assert [rate_factor(config, step, 100) for step in range(6)] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]


def test_no_schedule_rises_beyond_its_end() -> None:
    for name in ("poly", "cosine"):
        assert rate_factor(OptimiserConfig(schedule=name), 12, 10) == pytest.approx(0.0)


def test_a_plateau_drops_after_its_patience_and_waits_anew() -> None:
    plateau = Plateau(factor=0.1, patience=2, better="higher")
    dropped = [plateau.see(figure) for figure in (0.5, 0.5, 0.4, 0.4, 0.6, 0.6, 0.6)]
    assert dropped == [False, False, True, False, False, False, True]
    assert plateau.scale == pytest.approx(0.01)


def test_a_plateau_of_a_loss_waits_for_lower_figures() -> None:
    plateau = Plateau(factor=0.5, patience=1, better="lower")
    assert [plateau.see(figure) for figure in (3.0, 2.0, 2.5)] == [False, False, True]


def test_a_plateau_remembers() -> None:
    plateau = Plateau(factor=0.5, patience=2, better="higher")
    for figure in (0.5, 0.4):
        plateau.see(figure)
    other = Plateau(factor=0.5, patience=2, better="higher")
    other.load_state_dict(plateau.state_dict())
    assert other == plateau
    assert other.see(0.3)


def test_a_step_falls_once_at_its_share_of_the_budget() -> None:
    config = OptimiserConfig(schedule="step")
    factors = [rate_factor(config, step, 10) for step in range(10)]
    assert factors == pytest.approx([1.0] * 5 + [0.1] * 5)
    late = OptimiserConfig(schedule="step", step_at=0.75, step_factor=0.5)
    assert [rate_factor(late, step, 8) for step in (5, 6)] == [1.0, 0.5]
