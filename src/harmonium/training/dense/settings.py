"""Settings of dense learning, each with its default and its allowed range in one place."""

from dataclasses import dataclass, fields
from typing import Any, final

from harmonium.errors import SettingError
from harmonium.training import settings
from harmonium.training.settings import OPTIMIZERS, check_choice, check_count, check_share, scheduled

CHAINS = ("cd", "pcd", "fast-pcd", "tempered-pcd", "full-chain")  # methods whose negative phase is sampled
DIRECT = ("multi-prediction", "pseudo-likelihood", "ratio-matching", "score-matching", "discriminative")  # no chains
METHODS = (*CHAINS, "exact", *DIRECT)
SCHEDULES = (*settings.SCHEDULES, "inverse")
MOST_STEPS = 1_000_000


@final
@dataclass(frozen=True)
class DenseLearning:
    """How a restricted machine learns. Raises SettingError, by name and allowed range, on construction.

    Parameters
    ----------
    method : str
        "cd" (Hinton 2002), "pcd" (Tieleman 2008), "fast-pcd" (Tieleman & Hinton 2009), "tempered-pcd" (Desjardins et
        al. 2010), "full-chain" (chains from data and from noise, run until they cannot be told apart), "exact" (sums
        over all states), "multi-prediction" (Goodfellow et al. 2013), "pseudo-likelihood" (Besag 1975),
        "ratio-matching" (Hyvarinen 2007), "score-matching" (Hyvarinen 2005), "discriminative" (log p(label | features),
        Larochelle & Bengio 2008).
    n_steps : int
        Sampler steps an update.
    longest_chain : int
        Steps after which "full-chain" takes its chains as they are.
    n_chains : int
        Chains of the negative phase; 0 takes as many as there are cases in a mini-batch.
    n_betas, lowest_beta : int, float
        Ladder of "tempered-pcd".
    ladder_burn_in : float
        Share of the epochs after each of which the ladder moves towards equal swap rates; then it stays.
    fast_rate, fast_decay : float
        Of "fast-pcd": learning rate of the fast weights, and what is left of them after each update.
    keep : float
        Probability that "multi-prediction" keeps a unit as evidence.
    n_epochs, batch_size : int
    optimizer : str
        "momentum" (plain gradient ascent when `momentum` is 0), "adagrad" or "adam".
    learning_rate : float
    schedule : str
        "constant"; "linear" or "cosine" down to 0 over `n_epochs`; "inverse" in the number of epochs done.
    momentum, beta2 : float
    centring : bool
        Whether gradients are those of centred units (Melchior, Fischer & Wiskott 2016).
    offset_rate : float
        Of the moving averages of the data's means that units are centred at.
    weight_decay : float
        L2 penalty of the weights.
    sparsity_target, sparsity_cost : float
        Mean activity that hidden biases are drawn to, and how strongly (Lee, Ekanadham & Ng 2008); cost 0 does not.
    max_norm : float
        Largest length of a hidden unit's weights; 0 sets no limit.
    patience : int
        Epochs without a better score after which learning stops; 0 never stops early.
    discrimination : float
        Share of the gradient that is that of log p(label | features), the rest being the method's; above 0 the visible
        layer must be features joined with a label.
    """

    method: str = "pcd"
    n_steps: int = 1
    longest_chain: int = 10_000
    n_chains: int = 0
    n_betas: int = 10
    lowest_beta: float = 0.1
    ladder_burn_in: float = 0.5
    fast_rate: float = 0.01
    fast_decay: float = 0.95
    keep: float = 0.5
    n_epochs: int = 20
    batch_size: int = 100
    optimizer: str = "momentum"
    learning_rate: float = 0.01
    schedule: str = "constant"
    momentum: float = 0.0
    beta2: float = 0.999
    centring: bool = True
    offset_rate: float = 0.01
    weight_decay: float = 0.0
    sparsity_target: float = 0.1
    sparsity_cost: float = 0.0
    max_norm: float = 0.0
    patience: int = 0
    discrimination: float = 0.0

    def __post_init__(self) -> None:
        for name, low, high in _COUNTS:
            check_count(name, getattr(self, name), low, high)
        for name, low, high in _NUMBERS:
            check_share(name, getattr(self, name), low, high)
        check_choice("method", self.method, METHODS)
        check_choice("optimizer", self.optimizer, tuple(OPTIMIZERS))
        check_choice("schedule", self.schedule, SCHEDULES)
        if not isinstance(self.centring, bool):
            raise SettingError(f"centring: {self.centring!r} is not True or False")
        for name in ("discrimination", "ladder_burn_in"):
            share = getattr(self, name)
            if isinstance(share, bool) or not (isinstance(share, int | float) and 0 <= share <= 1):
                raise SettingError(f"{name}: {share!r} is not a number from 0 to 1")
        share = self.discrimination
        if share and self.method in DIRECT[:-1]:
            raise SettingError(f"discrimination: {share:g} is a share beside chains or exact sums, not {self.method}")

    def rate_at(self, progress: float) -> float:
        """Learning rate when a share `progress` of all epochs is done."""
        if self.schedule == "inverse":
            return self.learning_rate / (1 + progress * self.n_epochs)
        return scheduled(self.learning_rate, self.schedule, progress)


_COUNTS: tuple[tuple[str, int, int], ...] = (
    ("n_steps", 1, MOST_STEPS),
    ("longest_chain", 1, MOST_STEPS),
    ("n_chains", 0, 10_000_000),
    ("n_betas", 2, 1000),
    ("n_epochs", 1, 10_000_000),
    ("batch_size", 1, 10_000_000),
    ("patience", 0, 1_000_000),
)
_NUMBERS: tuple[tuple[str, Any, Any], ...] = (
    ("lowest_beta", 0.0, 1.0),
    ("fast_rate", 0.0, 10.0),
    ("fast_decay", 0.0, 1.0),
    ("keep", 0.0, 1.0),
    ("learning_rate", 0.0, 100.0),
    ("momentum", 0.0, 1.0),
    ("beta2", 0.0, 1.0),
    ("offset_rate", 0.0, 1.0),
    ("weight_decay", 0.0, 10.0),
    ("sparsity_target", -1.0, 1e6),
    ("sparsity_cost", 0.0, 1e3),
    ("max_norm", 0.0, 1e6),
)
DENSE_SETTINGS = tuple(field.name for field in fields(DenseLearning) if field.name != "discrimination")
