"""Where learning takes place: this process, or an engine that has others do the same steps on their shards."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol, final

import numpy as np
import numpy.typing as npt

from harmonium.kernels.devices import CPU, Device

if TYPE_CHECKING:  # a program that only predicts imports this module, and needs none of these
    from harmonium.data.shards import Shards
    from harmonium.events import Event
    from harmonium.kernels.choices import Sparse
    from harmonium.models.level_rbm import LevelRBM
    from harmonium.training import loop
    from harmonium.training.dense import loop as dense_loop
    from harmonium.training.dense.chains import Cases
    from harmonium.training.dense.settings import DenseLearning
    from harmonium.training.dense.state import State as DenseState
    from harmonium.training.settings import Learning
    from harmonium.training.state import State

Floats = npt.NDArray[np.float32]


class Engine(Protocol):
    """What a place of learning can do; `harmonium.distributed.Cluster` is one, and so is `HERE`."""

    def train_ratings(
        self,
        state: State,
        cases: Shards,
        learning: Learning,
        *,
        machine: str = "users",
        phase: str = "final",
        score: Callable[[LevelRBM], loop.Score] | None = None,
        n_epochs: int | None = None,
    ) -> Iterator[Event]:
        """As `training.loop.train`; `state` need be complete only when `Ended` comes."""
        ...

    def train_dense(
        self,
        state: DenseState,
        X: Cases,
        learning: DenseLearning,
        *,
        monitor: dense_loop.Monitor | None = None,
        score: str | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        device: Device = CPU,
    ) -> Iterator[Event]:
        """As `training.dense.loop.train`."""
        ...

    def bring_up(self, state: State) -> bool:
        """Bring the state of a run up to the last epoch that is at hand; whether there may be a newer one."""
        ...

    def gram(self, x: Sparse, transposed: Sparse, out: Floats) -> Floats:
        """As `kernels.choices.gram`: X'X, written to `out`."""
        ...


@final
class Here:
    """This process."""

    def train_ratings(self, *args: Any, **how: Any) -> Iterator[Event]:
        """As `training.loop.train`.

        Parameters
        ----------
        *args, **how
        """
        from harmonium.training.loop import train

        return train(*args, **how)

    def train_dense(self, *args: Any, **how: Any) -> Iterator[Event]:
        """As `training.dense.loop.train`.

        Parameters
        ----------
        *args, **how
        """
        from harmonium.training.dense.loop import train

        return train(*args, **how)

    def bring_up(self, state: State) -> bool:
        """Every epoch is at hand when it ends.

        Parameters
        ----------
        state : State
        """
        return True

    def gram(self, x: Sparse, transposed: Sparse, out: Floats) -> Floats:
        """As `kernels.choices.gram`.

        Parameters
        ----------
        x, transposed : sparse
        out : float32 array, (n, n)
        """
        from harmonium.kernels import choices

        return choices.gram(x, transposed, out)


HERE: Engine = Here()
