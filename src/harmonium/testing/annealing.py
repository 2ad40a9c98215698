"""The suite of annealing: `class TestMine(AnnealingSuite): machine = made_boltzmann(4, mask)`.

Averages may be Z_LIMIT standard errors away, which a right estimate exceeds once in 16,000; seeds are fixed.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from harmonium.likelihood import ais, bracket, log_likelihood, log_partition, path_to, reverse_ais
from harmonium.models import boltzmann_exact
from harmonium.models.boltzmann import Boltzmann
from harmonium.models.rbm import RBM
from harmonium.testing.exactly import made_rbm
from harmonium.testing.listed import listed
from harmonium.units import Bernoulli

Floats = npt.NDArray[np.floating]
Z_LIMIT = 4.0
FEW = 6  # temperatures with which single estimates are poor


class AnnealingSuite:
    """Tests that every machine whose likelihood is bracketed passes.

    Attributes
    ----------
    machine : RBM, Boltzmann, Lateral or Listed
        With an exact log Z.
    n_brackets : int
        Brackets whose average must hold the exact value; 0 where visible states cannot be listed.
    """

    machine: Any = made_rbm(Bernoulli(6), Bernoulli(5), spread=0.6)
    n_brackets: int = 40

    def annealed(self) -> RBM | Boltzmann:
        """Return what is annealed."""
        return self.machine if isinstance(self.machine, RBM | Boltzmann) else listed(self.machine).annealed()

    def rows(self, n: int, seed: int) -> Floats:
        """Exact draws of the visible units.

        Parameters
        ----------
        n, seed : int
        """
        model = self.annealed()
        v = model.visible.states() if isinstance(model, RBM) else boltzmann_exact.states(model.n_visible, model.values)
        p = np.exp(log_likelihood(model, v))
        return v[np.random.default_rng(seed).choice(len(v), n, p=p / p.sum())]

    def test_the_estimate_of_z_is_unbiased(self):
        """Even with few temperatures the mean weight is Z within its standard error."""
        model = self.annealed()
        weight = np.exp(ais(path_to(model), 20_000, FEW, rng=1).log_weights - log_partition(model))
        assert weight.std() > 0.01
        assert abs(weight.mean() - 1) < Z_LIMIT * weight.std() / np.sqrt(len(weight))

    def test_annealing_is_within_its_error_of_the_exact_value(self):
        model = self.annealed()
        found = ais(path_to(model), 200, 60, rng=2)
        assert found.log_weights.dtype == np.float64
        assert abs(found.log_z - log_partition(model)) < Z_LIMIT * found.standard_error
        assert found.effective_size > 50

    def test_walking_down_from_exact_draws_inverts_the_estimate(self):
        """E[Z_0 / Z] without bias, so the mean of the values lies above log Z."""
        if not self.n_brackets:
            return
        model = self.annealed()
        values = reverse_ais(path_to(model), self.rows(20_000, 5), FEW, rng=3) - log_partition(model)
        inverse = np.exp(-values)
        assert abs(inverse.mean() - 1) < Z_LIMIT * inverse.std() / np.sqrt(len(inverse))
        assert values.mean() > Z_LIMIT * values.std() / np.sqrt(len(values))

    def test_the_bracket_holds_the_exact_value_on_average_and_shrinks(self):
        if not self.n_brackets:
            return
        model, v, widths = self.annealed(), self.rows(30, 5), []
        value = log_likelihood(model, v).mean()
        for n_betas in (3, 30):
            found = [bracket(model, v, None, 5, n_betas, 30, k, False) for k in range(self.n_brackets)]
            below, above = (np.array([getattr(b, side) for b in found]) - value for side in ("lower", "upper"))
            assert below.mean() < Z_LIMIT * below.std() / np.sqrt(len(below))
            assert above.mean() > -Z_LIMIT * above.std() / np.sqrt(len(above))
            widths.append(above.mean() - below.mean())
        assert 0 < widths[1] < 0.2 * widths[0]
