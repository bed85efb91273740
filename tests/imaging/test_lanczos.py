import numpy as np

from neurograft.imaging.lanczos import lanczos_resample, lanczos_weights


def test_samples_are_kept_and_constants_stay_constant() -> None:
    weights = lanczos_weights(np.array([0.0, 1, 2.5, 11, -0.4]), 12).toarray()
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-6)
    for row, sample in ((0, 0), (1, 1), (3, 11)):
        np.testing.assert_allclose(weights[row], np.eye(12)[sample], atol=1e-6)


def test_a_slow_wave_is_recovered_between_the_samples() -> None:
    positions = np.linspace(10, 50, 77)
    wave = np.sin(2 * np.pi * np.arange(60) / 8)
    np.testing.assert_allclose(lanczos_weights(positions, 60) @ wave, np.sin(2 * np.pi * positions / 8), atol=0.01)


def test_axes_keep_their_order() -> None:
    data = np.random.default_rng(0).normal(size=(4, 5, 6)).astype(np.float32)
    positions = (np.arange(4.0)[::-1], np.arange(1.0, 4), np.arange(0.0, 6, 2))
    np.testing.assert_allclose(lanczos_resample(data, positions), data[::-1, 1:4, ::2], atol=1e-5)
