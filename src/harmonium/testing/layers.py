"""The suite of a layer of units: `class TestBernoulli(LayerSuite): layer = Bernoulli(3)`."""

import numpy as np
import numpy.typing as npt

from harmonium.errors import DataError
from harmonium.randomness import key_of
from harmonium.testing.exactly import FALSE_ALARMS, chi_square, counts_of, exact_law, gradient, kolmogorov
from harmonium.units import Layer, layer_from

Floats = npt.NDArray[np.floating]
N_DRAWS = 20_000
N_FIELDS = 4
FIELD_SPREAD = 1.5
SLOPE_ERROR = 1e-6  # of central differences in double precision


class LayerSuite:
    """Tests that every layer passes; a subclass names the layer.

    Attributes
    ----------
    layer : Layer
        Small enough to list, or real-valued.
    bad_value : float
        A value that is no state of a unit.
    """

    layer: Layer
    bad_value: float = 0.5

    def fields(self, seed: int = 0) -> Floats:
        """Return some fields, (N_FIELDS, width).

        Parameters
        ----------
        seed : int
        """
        return np.random.default_rng(seed).normal(0, FIELD_SPREAD, (N_FIELDS, self.layer.width))

    def drawn(self, x: Floats, n: int = N_DRAWS, beta: float = 1.0, seed: int = 7) -> Floats:
        """Return n draws given one row of fields, (n, width).

        Parameters
        ----------
        x : floats, (width,)
        n : int
        beta : float
        seed : int
        """
        noise = self.layer.noise(key_of(seed), np.arange(n))
        return self.layer.sample(np.tile(x, (n, 1)), noise, beta=np.full((n, 1), beta))

    def test_the_mean_is_the_derivative_of_the_log_partition(self):
        for x in self.fields():
            found = gradient(lambda a: float(self.layer.log_partition(a[None])[0]), x)
            np.testing.assert_allclose(found, self.layer.mean(x[None])[0], atol=SLOPE_ERROR)

    def test_the_response_is_the_derivative_of_the_mean(self):
        x, g = self.fields()[:1], self.fields(1)[:1]
        step = 1e-5
        found = (self.layer.mean(x + step * g) - self.layer.mean(x - step * g)) / (2 * step)
        np.testing.assert_allclose(self.layer.response(x, g), found, atol=SLOPE_ERROR)

    def test_expected_statistics_are_derivatives_of_the_log_partition(self):
        x = self.fields()[:1]
        for name, value in self.layer.parameters.items():

            def log_partition(a: Floats, name: str = name) -> float:
                return float(self.layer.with_parameters({name: a}).log_partition(x)[0])

            found = gradient(log_partition, value)
            np.testing.assert_allclose(self.layer.expected_statistics(x)[name][0], found, atol=SLOPE_ERROR)

    def test_parameter_statistics_are_derivatives_of_the_base_measure(self):
        v = self.drawn(self.fields()[0], 3)
        for name, value in self.layer.parameters.items():

            def base(a: Floats, name: str = name) -> float:
                return float(self.layer.with_parameters({name: a}).base(v).sum())

            found = gradient(base, value)
            np.testing.assert_allclose(self.layer.parameter_statistics(v)[name].sum(axis=0), found, atol=1e-5)

    def test_the_field_of_a_mean_gives_that_mean(self):
        mean = self.layer.mean(self.fields())
        found = self.layer.mean(self.layer.field(mean))
        np.testing.assert_allclose(found, mean, rtol=1e-6, atol=1e-9)

    def test_draws_have_exactly_the_law_of_the_log_partition(self):
        for beta in (1.0, 0.4):
            for seed, x in enumerate(self.fields()[:2]):
                self.check_law(x, self.drawn(x, beta=beta, seed=seed), beta)

    def check_law(self, x: Floats, drawn: Floats, beta: float) -> None:
        """Compare draws with the law at one row of fields: chi-square over all states, or Kolmogorov a unit.

        Parameters
        ----------
        x : floats, (width,)
        drawn : floats, (n, width)
        beta : float
        """
        layer = self.layer
        if layer.bounded:
            states = layer.states()
            log_count = layer.log_count(states)
            law = exact_law(-beta * (states @ x + layer.base(states) - log_count) - log_count)
            assert chi_square(counts_of(drawn, states), law) > FALSE_ALARMS
            return
        for unit in range(layer.width):
            low, high = (0.0, 20.0) if layer.nonnegative else (-20.0, 20.0)

            def log_density(points: Floats, unit: int = unit) -> Floats:
                rows = np.zeros((len(points), layer.width))
                rows[:, unit] = points
                return beta * (points * x[unit] + layer.base(rows))

            assert kolmogorov(drawn[:, unit], log_density, low, high) > FALSE_ALARMS

    def test_the_log_partition_is_the_sum_over_all_states(self):
        x, layer = self.fields(), self.layer
        if layer.bounded:
            states = layer.states()
            found = np.logaddexp.reduce(x @ states.T + layer.base(states), axis=1)
        else:
            low, high = (0.0, 60.0) if layer.nonnegative else (-60.0, 60.0)
            points = np.linspace(low, high, 600_001)
            found = np.zeros(len(x))
            for unit in range(layer.width):
                rows = np.zeros((len(points), layer.width))
                rows[:, unit] = points
                density = np.exp(np.multiply.outer(x[:, unit], points) + layer.base(rows))
                found += np.log(np.trapezoid(density, points, axis=1))
        np.testing.assert_allclose(layer.log_partition(x), found, rtol=1e-7, atol=1e-6)

    def test_a_temperature_is_the_layer_tempered(self):
        x, beta = self.fields(), 0.4
        row = np.full((len(x), 1), beta)
        tempered = self.layer.tempered(beta)
        for name in ("log_partition", "mean"):
            found, wanted = getattr(self.layer, name)(x, beta=row), getattr(tempered, name)(beta * x)
            np.testing.assert_allclose(found, wanted, rtol=1e-12)

    def test_draws_depend_on_the_chain_and_not_on_the_batch(self):
        x = np.tile(self.fields()[0], (6, 1))
        chain = np.array([5, 1, 9, 3, 2, 8])
        whole = self.layer.sample(x, self.layer.noise(key_of(1), chain))
        part = self.layer.sample(x[3:], self.layer.noise(key_of(1), chain[3:]))
        np.testing.assert_array_equal(whole[3:], part)

    def test_extreme_fields_give_finite_numbers(self):
        for size in (-1e4, 1e4):
            for dtype in (np.float32, np.float64):
                x = np.full((2, self.layer.width), size, dtype)
                drawn = self.layer.sample(x, self.layer.noise(key_of(1), np.arange(2)))
                for found in (self.layer.mean(x), self.layer.log_partition(x), drawn):
                    assert np.isfinite(found).all()
                    assert found.dtype == dtype

    def test_drawn_states_are_states_and_others_are_refused_by_row_and_column(self):
        v = self.drawn(self.fields()[0], 5)
        self.layer.check(v)
        v[3, 1] = self.bad_value
        _refused(self.layer, v, f"row 3, column 1 is {self.bad_value:g}")
        v[3, 1] = np.nan
        _refused(self.layer, v, "row 3, column 1 is nan")
        _refused(self.layer, v[:, 1:], f"it must be (n, {self.layer.width})")
        _refused(self.layer, v[:0], "there are no rows")

    def test_a_layer_is_built_again_from_its_settings(self):
        assert layer_from(self.layer.settings(), self.layer.parameters) == self.layer


def _refused(layer: Layer, v: Floats, message: str) -> None:
    said = "nothing"
    try:
        layer.check(v)
    except DataError as error:
        said = str(error)
    assert message in said, f"{said!r} should hold {message!r}"
