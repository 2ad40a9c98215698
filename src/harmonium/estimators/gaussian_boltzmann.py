"""The fully visible machine over items, in closed form."""

import os
from collections.abc import Generator
from typing import Any, Self, final

import numpy as np
import numpy.typing as npt

from harmonium import storage
from harmonium.data import Interactions, Vocabulary
from harmonium.errors import SettingError
from harmonium.estimators.choice import ChoiceModel, Watch
from harmonium.estimators.histories import Asked, Validation, sparse
from harmonium.events import Event
from harmonium.kernels import choices as kernels
from harmonium.kernels.devices import CPU
from harmonium.kernels.devices import device as chosen
from harmonium.models import couplings
from harmonium.models.couplings import Couplings, Dense, Dual, Factors, Neighbours, Pairs, Scaled
from harmonium.training.engine import HERE, Engine
from harmonium.training.memory import announced
from harmonium.training.settings import check_choice, check_count, check_number, check_share

Floats = npt.NDArray[np.float32]
SHAPES = ("auto", "dense", "dual", "neighbours")
MOST = 1e12


@final
class GaussianBoltzmann(ChoiceModel):
    """A Gaussian Boltzmann machine without hidden units: every item tied to every other, learned in one go.

    Parameters
    ----------
    ridge : float
        Strength of the L2 penalty of the couplings; more for fewer interactions. Between 100 and 1000 for films, near 1
        with degree powers of a half.
    dropout : float
        Share of each history that is thought to be hidden at random while learning, from 0 up to 1: a further penalty
        of p / (1 - p) times an item's own sum of squares.
    variance_power : float
        The ridge of an item is multiplied by the variance of its column to this power: above 0, rare items are held
        back less.
    user_degree : float
        Rows are divided by the sum of their weights to this power: above 0, people who chose much count less.
    item_degree : float
        The ridge is multiplied by the sum of an item's weights to twice this power, as if columns were divided by that
        sum to this power.
    output_degree : float
        Scores are multiplied by the sum of an item's weights to this power; below 0 favours rare items.
    shape : {"auto", "dense", "dual", "neighbours"}
        "dense" inverts a matrix over items, "dual" one over users, with the same scores; "auto" takes the smaller.
        "neighbours" keeps few couplings an item and needs no such matrix, at a small loss.
    n_neighbours : int
        Couplings an item that "neighbours" keeps.
    n_kept : int
        So many couplings an item, the largest, are kept once all are learned, for a small file; 0 keeps all.
    n_pairs : int
        So many pairs of items, those that most people chose both of, predict as variables of their own: third-order
        terms. Needs the dense shape.
    pair_ridge : float
        The ridge of a pair; as `ridge` when 0.
    n_factors : int
        Linear hidden units beside the couplings: principal directions of the interactions, which carry what many items
        have in common.
    factor_share : float
        What their part of the score is multiplied by.
    random_state : int
        Of the hidden units, which are found by random projection.
    max_memory_gb : float or None
        Do not allocate more than this, in GB of 10^9 bytes. What the system can give is a limit in any case.
    device : str
        Where the dense and the dual shape's matrix is made and inverted: "cpu", "cuda", "cuda:1", ..., or "auto", a GPU
        where there is one.

    Notes
    -----
    Learning follows the pseudo-likelihood sum_i log p(x_i | the others), whose maximum has a closed form (Besag 1975;
    Steck, NeurIPS 2019, and WWW 2019 for the scores); dropout as a penalty is Steck, NeurIPS 2020; pairs are Steck &
    Liang, RecSys 2021, solved exactly. The dual is the Woodbury identity, so the cost is min(n_users, n_items)^3.

    Examples
    --------
    >>> from harmonium import Interactions
    >>> x = Interactions.from_pairs([1, 1, 2, 2, 3, 3], ["tea", "milk", "tea", "milk", "tea", "rum"])
    >>> model = GaussianBoltzmann(ridge=1.0).fit(x)
    >>> history = Interactions.from_pairs(["me"], ["tea"])
    >>> [model.items_[k] for k in model.recommend(history, n=2)[0][0]]
    ['milk', 'rum']
    """

    _by_cube_root = True  # rising, and spreads the many scores near 0

    def __init__(
        self,
        ridge: float = 500.0,
        dropout: float = 0.0,
        variance_power: float = 0.0,
        user_degree: float = 0.0,
        item_degree: float = 0.0,
        output_degree: float = 0.0,
        shape: str = "auto",
        n_neighbours: int = 200,
        n_kept: int = 0,
        n_pairs: int = 0,
        pair_ridge: float = 0.0,
        n_factors: int = 0,
        factor_share: float = 0.1,
        random_state: int = 0,
        max_memory_gb: float | None = None,
        device: str = "cpu",
    ):
        self.ridge, self.dropout, self.variance_power = ridge, dropout, variance_power
        self.user_degree, self.item_degree, self.output_degree = user_degree, item_degree, output_degree
        self.shape, self.n_neighbours, self.n_kept = shape, n_neighbours, n_kept
        self.n_pairs, self.pair_ridge = n_pairs, pair_ridge
        self.n_factors, self.factor_share, self.random_state = n_factors, factor_share, random_state
        self.max_memory_gb, self.device = max_memory_gb, device
        self.factors_: Factors | None = None
        self.couplings_: Couplings | None = None
        self.learned_: Interactions | None = None
        self._engine: Engine = HERE

    def fit(
        self,
        interactions: Interactions,
        y: None = None,
        *,
        validation: Validation | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        resume: bool = False,
        watch: Watch = (),
        engine: Engine = HERE,
    ) -> Self:
        """Learn who chooses what together with what; see `ChoiceModel.fit`.

        Parameters
        ----------
        interactions : Interactions
        y : None
        validation : (Interactions, Interactions), optional
            A closed form has no use for it.
        checkpoint : path, optional
            Refused: a closed form is learned in one go.
        resume : bool
        watch : callable or callables
        engine : Engine
            Where the sums X'X over users are made: this process, or a `harmonium.distributed.Cluster`.

        Returns
        -------
        self
        """
        self._engine = engine
        try:
            return super().fit(
                interactions, y, validation=validation, checkpoint=checkpoint, resume=resume, watch=watch
            )
        finally:
            self._engine = HERE

    def _learn(self, interactions: Interactions, asked: Asked) -> Generator[Event, None, None]:
        self._check()
        shape, device = self._shape(interactions), chosen(self.device)
        sizes = interactions.n_users, interactions.n_items, self.n_neighbours, self.n_pairs
        what = {"dense": "couplings of {1:,} items", "dual": "couplings of {0:,} users"}.get(
            shape, "{2:,} couplings of each of {1:,} items"
        )
        yield announced(
            what.format(*sizes), couplings.needed_bytes(shape, *sizes), self._way_out(shape, *sizes), self.max_memory_gb
        )
        if device.on_torch and shape == "neighbours":
            if self.device != "auto":
                raise SettingError(f"device: {self.device!r} inverts whole matrices; shape='neighbours' is for 'cpu'")
            device = CPU
        if device.on_torch:
            n = interactions.n_users if shape == "dual" else interactions.n_items + self.n_pairs
            needs, what = device.kernels.needed_bytes(n), f"matrix of {n:,} rows on {device.title}"
            yield announced(what, needs, "device='cpu' takes the machine's own memory", device=device)
        x = sparse(interactions)
        powers = self.variance_power, self.user_degree, self.item_degree, self.output_degree
        ready = couplings.scaled(x, interactions.n_items, float(self.ridge), self.dropout, *powers)
        gram = None if self._engine is HERE else self._engine.gram
        machine: Couplings
        if shape == "neighbours":
            machine = couplings.neighbours(ready, self.n_neighbours)
        elif shape == "dual":
            machine = couplings.dual(ready, gram, device)
        elif self.n_pairs:
            ridge = float(self.pair_ridge or self.ridge)
            machine = couplings.with_pairs(ready, x, self.n_pairs, ridge, gram, device)
        else:
            machine = couplings.dense(ready, gram, device)
        if self.n_kept:
            machine = couplings.strongest(machine, interactions.n_items, self.n_kept)
        hidden = None
        if self.n_factors:
            how = self.n_factors, float(self.factor_share), ready.out, int(self.random_state)
            hidden = couplings.factors(x, interactions.n_items, *how)
        self.couplings_, self.factors_ = machine, hidden  # together: Ctrl-C leaves the old ones or the new
        self.learned_ = interactions if isinstance(machine, Dual) else None

    def _check(self) -> None:
        check_number("ridge", self.ridge, 1e-9, MOST)
        check_share("dropout", self.dropout, 0.0, 1.0)
        for name in ("variance_power", "user_degree", "item_degree", "output_degree"):
            check_number(name, getattr(self, name), -10.0, 10.0)
        check_choice("shape", self.shape, SHAPES)
        check_count("n_neighbours", self.n_neighbours, 1, 100_000)
        check_count("n_kept", self.n_kept, 0, 1_000_000)
        check_count("n_pairs", self.n_pairs, 0, 1_000_000)
        check_number("pair_ridge", self.pair_ridge, 0.0, MOST)
        check_count("n_factors", self.n_factors, 0, 100_000)
        check_count("random_state", self.random_state, 0, (1 << 63) - 1)
        check_number("factor_share", self.factor_share, -1000.0, 1000.0)
        if self.max_memory_gb is not None:
            check_number("max_memory_gb", self.max_memory_gb, 0.0, MOST)
        if self.n_pairs and self.shape not in ("auto", "dense"):
            raise SettingError(f"n_pairs: {self.n_pairs} pairs need shape='dense' or 'auto', not {self.shape!r}")
        if self.n_pairs and self.n_kept:
            raise SettingError(f"n_kept: {self.n_kept} couplings cannot be kept of a machine with n_pairs")

    def _shape(self, interactions: Interactions) -> str:
        if self.shape != "auto":
            return self.shape
        return "dual" if interactions.n_users < interactions.n_items and not self.n_pairs else "dense"

    def _way_out(self, shape: str, *sizes: int) -> str:
        others = {name: couplings.needed_bytes(name, *sizes) for name in SHAPES[1:] if name != shape}
        needs = couplings.needed_bytes(shape, *sizes)
        less = [f"shape={name!r} needs {n / 1e9:,.1f} GB" for name, n in others.items() if n < needs]
        return ", ".join(less) or "keep the items and users that occur most"

    def _scores(self, history: Interactions) -> Floats:
        machine, x = self._fitted("couplings_"), sparse(history)
        if isinstance(machine, Dual):
            found = machine.scores(x, _rows_of(history, self._fitted("learned_")))
        else:
            found = machine.scores(x)
        if self.factors_ is not None:
            found += self.factors_.scores(x)
        return found

    def to_parts(self) -> tuple[dict[str, Any], dict[str, npt.NDArray]]:
        """Plain values and arrays of what was learned."""
        header, arrays = self._coupling_parts()
        if self.factors_ is not None:
            arrays |= {f"factors.{name}": getattr(self.factors_, name) for name in ("V", "before", "after")}
        return header, arrays

    def _coupling_parts(self) -> tuple[dict[str, Any], dict[str, npt.NDArray]]:
        machine = self._fitted("couplings_")
        if isinstance(machine, Dense):
            pairs = {} if machine.pairs is None else {"first": machine.pairs.first, "second": machine.pairs.second}
            return {"shape": "dense"}, {"B": machine.B, **pairs}
        if isinstance(machine, Neighbours):
            return {"shape": "neighbours"}, {"indptr": machine.indptr, "item": machine.item, "value": machine.value}
        s, learned = machine.scaled, self._fitted("learned_")
        arrays = {"A": machine.A, "diagonal": machine.diagonal, "values": s.x[2], "ridge": s.ridge, "out": s.out}
        arrays |= {"user_weight": s.user_weight, "indptr": learned.indptr, "item": learned.item}
        arrays |= {f"users.{name}": array for name, array in learned.users.to_arrays().items()}
        if learned.weight is not None:
            arrays["weight"] = learned.weight
        return {"shape": "dual"}, arrays

    def take_parts(self, header: dict[str, Any], arrays: dict[str, npt.NDArray]) -> None:
        """Take what `to_parts` gave.

        Parameters
        ----------
        header : dict
        arrays : dict of arrays
        """
        hidden = storage.under("factors.", arrays)
        self.factors_ = Factors(**hidden) if hidden else None
        if header["shape"] == "dense":
            pairs = Pairs(arrays["first"], arrays["second"]) if "first" in arrays else None
            self.couplings_ = Dense(arrays["B"], pairs)
        elif header["shape"] == "neighbours":
            self.couplings_ = Neighbours(arrays["indptr"], arrays["item"], arrays["value"])
        else:
            self.couplings_, self.learned_ = _dual_of(arrays, self._fitted("items_"))


def _dual_of(arrays: dict[str, npt.NDArray], items: Any) -> tuple[Dual, Interactions]:
    users = Vocabulary.from_arrays(storage.under("users.", arrays))
    learned = Interactions(arrays["indptr"], arrays["item"], users, items, arrays.get("weight"))
    x = learned.indptr, learned.item, arrays["values"]
    columns = kernels.transposed(x, len(items))
    ready = Scaled(x, columns, arrays["ridge"], arrays["out"], arrays["user_weight"])
    return Dual(arrays["A"], ready, arrays["diagonal"]), learned


def _rows_of(history: Interactions, learned: Interactions) -> npt.NDArray[np.int64]:
    """The training user of whom each row of a history is an exact copy; -1 for all other rows: (n_rows,)."""
    user = np.full(history.n_users, -1, np.int64)
    if history.users.is_text != learned.users.is_text:
        return user
    weight, learned_weight = history.weights(), learned.weights()
    for row, known in enumerate(learned.users.indices(history.users.ids, unknown=-1)):
        if known < 0:
            continue
        mine, theirs = (slice(x.indptr[k], x.indptr[k + 1]) for x, k in ((history, row), (learned, known)))
        same = np.array_equal(history.item[mine], learned.item[theirs])
        if same and np.array_equal(weight[mine], learned_weight[theirs]):
            user[row] = known
    return user
