"""Events: frozen records that leave a long run. Progress bars, logs, pages and tests all read this one stream."""

from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a long run. Kinds are plain words; those of a pass over the data end with "epoch"."""

    kind: ClassVar[str] = "event"

    def to_dict(self) -> dict[str, Any]:
        """Return the event as plain values, its kind first, ready for JSON."""
        return {"kind": self.kind, **asdict(self)}


@dataclass(frozen=True, slots=True)
class Began(Event):
    """Learning of one machine begins.

    Parameters
    ----------
    machine : str
        "users" or "items": what its cases are.
    phase : str
        "choose" while the number of epochs is being chosen on validation ratings, "final" otherwise; "joint" where
        couplings of choices learn too.
    n_cases, n_ratings, n_epochs, first_epoch : int
        `first_epoch` is above 0 in a run that goes on from a checkpoint.
    device : str
        What it runs on: "cpu", or "cuda:0" and the GPU's name.
    of : str
        What `n_ratings` counts: "ratings" or "choices".
    """

    kind: ClassVar[str] = "began"
    machine: str
    phase: str
    n_cases: int
    n_ratings: int
    n_epochs: int
    first_epoch: int
    device: str = "cpu"
    of: str = "ratings"


@dataclass(frozen=True, slots=True)
class EpochEnded(Event):
    """One pass over the data ended.

    Parameters
    ----------
    machine, phase : str
    epoch, n_epochs : int
        Epochs done, and to be done at most.
    seconds : float
        Wall time of the epoch, validation not counted.
    ratings_per_second : float
    learning_rate : float
    validation_rmse, validation_log_loss : float or None
        On validation ratings cut from training; None without any.
    free_energy_gap : float or None
        Nats a held-out rating by which validation ratings lie lower than the same ratings shuffled; above 0 means
        that the machine prefers what people did to noise.
    best_epoch : int
        Epoch with the lowest validation error so far; the last one without validation.
    """

    kind: ClassVar[str] = "epoch"
    machine: str
    phase: str
    epoch: int
    n_epochs: int
    seconds: float
    ratings_per_second: float
    learning_rate: float
    validation_rmse: float | None
    validation_log_loss: float | None
    free_energy_gap: float | None
    best_epoch: int


@dataclass(frozen=True, slots=True)
class DenseEpochEnded(Event):
    """One pass over dense cases ended.

    Parameters
    ----------
    machine : str
    epoch, n_epochs : int
        Epochs done, and to be done at most.
    seconds : float
        Wall time of the epoch, monitoring not counted.
    cases_per_second : float
    learning_rate : float
    n_steps : float
        Sampler steps an update, averaged over the epoch; for the full chain, as many as convergence took.
    objective : float or None
        What a method without chains climbs (log pseudo-likelihood, say), averaged over the epoch, in nats a case.
    monitored : dict of float
        What the monitor measured, by name.
    score : float or None
        By which the best epoch is chosen; higher is better.
    best_epoch : int
    warning : str
        A plain sentence where what was measured calls for one: chains that take fewer steps than they need, say.
    """

    kind: ClassVar[str] = "dense epoch"
    machine: str
    epoch: int
    n_epochs: int
    seconds: float
    cases_per_second: float
    learning_rate: float
    n_steps: float
    objective: float | None
    monitored: dict[str, float]
    score: float | None
    best_epoch: int
    warning: str = ""


@dataclass(frozen=True, slots=True)
class Saved(Event):
    """A checkpoint was written.

    Parameters
    ----------
    path : str
    machine, phase : str
    epoch : int
    """

    kind: ClassVar[str] = "saved"
    path: str
    machine: str
    phase: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Ended(Event):
    """Learning of one machine ended; the best model so far is kept.

    Parameters
    ----------
    machine, phase : str
    reason : str
        "finished", "early stopping", "interrupted" or "diverged".
    epoch, best_epoch : int
    advice : str
        After divergence, which setting to change; empty otherwise.
    """

    kind: ClassVar[str] = "ended"
    machine: str
    phase: str
    reason: str
    epoch: int
    best_epoch: int
    advice: str = ""


@dataclass(frozen=True, slots=True)
class BoltzmannEpoch(Event):
    """One pass of a Boltzmann machine over the data, or one iteration of L-BFGS, ended.

    Parameters
    ----------
    method : str
        How it learns, "auto" resolved.
    epoch, n_epochs : int
    seconds : float
    objective : float or None
        Mean log-likelihood ("exact") or pseudo-log-likelihood, in nats a case; None for methods that know neither.
    n_sweeps : int
        Sweeps that the free chains took at the last update.
    settled : bool
        Whether a full chain had settled by then.
    swap_rates : tuple of float
        Of "tempered-pcd": how often neighbours on the ladder exchanged states in this epoch, the pair nearest beta = 1
        first.
    monitored : dict of float
        What the monitor measured, by name.
    warning : str
        A plain sentence where what was measured calls for one.
    """

    kind: ClassVar[str] = "boltzmann epoch"
    method: str
    epoch: int
    n_epochs: int
    seconds: float
    objective: float | None
    n_sweeps: int
    settled: bool
    swap_rates: tuple[float, ...] = ()
    monitored: dict[str, float] = field(default_factory=dict)
    warning: str = ""


@dataclass(frozen=True, slots=True)
class Allocates(Event):
    """A large array is about to be allocated.

    Parameters
    ----------
    what : str
    n_bytes : int
    available_bytes : int or None
        Memory that the system can give; None where it does not tell.
    """

    kind: ClassVar[str] = "allocates"
    what: str
    n_bytes: int
    available_bytes: int | None


@dataclass(frozen=True, slots=True)
class ChoiceEpochEnded(Event):
    """One pass over choices ended.

    Parameters
    ----------
    epoch, n_epochs : int
        Epochs done, and to be done at most.
    seconds : float
        Wall time of the epoch, validation not counted.
    loss : float or None
        Nats a choice by which learning missed what it follows; None where that is not a likelihood.
    learning_rate : float
    validation_ndcg : float or None
        nDCG@100 on validation users; None in epochs that do not measure it.
    """

    kind: ClassVar[str] = "choice epoch"
    epoch: int
    n_epochs: int
    seconds: float
    loss: float | None
    learning_rate: float
    validation_ndcg: float | None


@dataclass(frozen=True, slots=True)
class Exchanged(Event):
    """What workers added up during an epoch, as the first of them saw it.

    Parameters
    ----------
    machine, phase : str
    epoch : int
    n_workers : int
    seconds : float
        Wall time of the epoch.
    seconds_waiting : float
        The part of it in which sums of other workers were waited for.
    n_bytes : int
        Size of the arrays that were added up.
    """

    kind: ClassVar[str] = "exchanged"
    machine: str
    phase: str
    epoch: int
    n_workers: int
    seconds: float
    seconds_waiting: float
    n_bytes: int


@dataclass(frozen=True, slots=True)
class TakesDisk(Event):
    """Room on a disk is about to be taken.

    Parameters
    ----------
    path : str
        The folder.
    what : str
    n_bytes : int
        At the most, while the work goes on.
    free_bytes : int
        What the disk has left.
    """

    kind: ClassVar[str] = "takes disk"
    path: str
    what: str
    n_bytes: int
    free_bytes: int


@dataclass(frozen=True, slots=True)
class Listed(Event):
    """Ranked lists have been made for some more people.

    Parameters
    ----------
    done, total : int
        People with lists, and all that are to have them.
    seconds : float
        Since the first were begun.
    """

    kind: ClassVar[str] = "listed"
    done: int
    total: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Stored(Event):
    """Some more ratings have been brought into the order in which they are learnt from.

    Parameters
    ----------
    step : str
        "reading", "sorting by user", "sorting by item" or "holding out".
    done : int
        Ratings done in this step.
    total : int or None
        Ratings there are; None while nobody knows.
    seconds : float
        Since the step began.
    """

    kind: ClassVar[str] = "stored"
    step: str
    done: int
    total: int | None
    seconds: float
