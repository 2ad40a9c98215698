"""The laboratory: machines so small that every state can be enumerated.

States are numbered by their bits: unit i is on in state s when bit i of s is set.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from harmonium.serving.schemas.common import Answer, Number, Request, Seed
from harmonium.serving.schemas.machines import Bit, Temperature

MOST_VISIBLE = 10
MOST_HIDDEN = 10
MOST_UNITS = 14  # of a general machine, visible and hidden together: 16,384 states
MOST_CHAINS = 500
MOST_WORK = 20_000  # Gibbs steps of one request
LARGEST = 1e3  # of a weight or bias, in nats

Weight = Annotated[Number, Field(ge=-LARGEST, le=LARGEST)]
Bits = list[Bit]


class Restricted(Request):
    """A restricted Boltzmann machine: E(v, h) = - b.v - c.h - v W h, all units 0 or 1."""

    kind: Literal["restricted"]
    W: list[Annotated[list[Weight], Field(min_length=1, max_length=MOST_HIDDEN)]] = Field(
        min_length=1, max_length=MOST_VISIBLE, description="(n_visible, n_hidden)"
    )
    b: list[Weight] = Field(min_length=1, max_length=MOST_VISIBLE, description="(n_visible,)")
    c: list[Weight] = Field(min_length=1, max_length=MOST_HIDDEN, description="(n_hidden,)")

    @model_validator(mode="after")
    def _shapes(self) -> Any:
        if len(self.W) != len(self.b) or any(len(row) != len(self.c) for row in self.W):
            raise ValueError(f"W must have as many rows as b, {len(self.b)}, and as many columns as c, {len(self.c)}")
        return self


class General(Request):
    """A Boltzmann machine in which every unit may be tied to every other: E(s) = - b.s - s J s / 2."""

    kind: Literal["general"]
    n_visible: Annotated[int, Field(strict=True, ge=1, le=MOST_VISIBLE)] = Field(description="They come first.")
    J: list[Annotated[list[Weight], Field(min_length=1, max_length=MOST_UNITS)]] = Field(
        min_length=1, max_length=MOST_UNITS, description="(n_units, n_units), symmetric with a diagonal of 0."
    )
    b: list[Weight] = Field(min_length=1, max_length=MOST_UNITS, description="(n_units,)")

    @model_validator(mode="after")
    def _shapes(self) -> Any:
        n = len(self.b)
        if len(self.J) != n or any(len(row) != n for row in self.J):
            raise ValueError(f"J must be square, with a row for each of the {n} entries of b")
        if any(self.J[i][j] != self.J[j][i] for i in range(n) for j in range(i)) or any(self.J[i][i] for i in range(n)):
            raise ValueError("J must be symmetric, with a diagonal of 0")
        if self.n_visible > n:
            raise ValueError(f"n_visible, {self.n_visible}, is more than the {n} units")
        return self


Machine = Annotated[Restricted | General, Field(discriminator="kind")]


class LabData(Answer):
    """Bars and stripes: every pattern of full rows, and every one of full columns."""

    side: int
    n_visible: int
    patterns: list[list[int]] = Field(description="Row by row.")
    best_log_likelihood: float = Field(description="Mean a pattern of the best possible model, in nats.")


class NewMachineRequest(Request):
    """A machine before learning: small random weights."""

    kind: Literal["restricted", "general"] = "restricted"
    n_visible: Annotated[int, Field(strict=True, ge=1, le=MOST_VISIBLE)] = 9
    n_hidden: Annotated[int, Field(strict=True, ge=1, le=MOST_HIDDEN)] = 6
    spread: Annotated[Number, Field(ge=0, le=10)] = Field(
        default=0.1, description="Standard deviation of the weights, in nats."
    )
    seed: Seed = 0

    @model_validator(mode="after")
    def _small_enough(self) -> Any:
        if self.kind == "general" and self.n_visible + self.n_hidden > MOST_UNITS:
            raise ValueError(f"a general machine has at most {MOST_UNITS} units here")
        return self


class NewMachine(Answer):
    """A machine to send with the other questions; the service keeps none."""

    machine: Machine


class LandscapeRequest(Request):
    """The whole landscape of a machine."""

    machine: Machine
    temperature: Annotated[float, Field(strict=True, gt=0.01, le=100)] = 1.0


class Landscape(Answer):
    """Every visible state: its free energy and its probability."""

    n_visible: int
    free_energy: list[float] = Field(description="(2^n_visible,), in nats, the hidden units summed out.")
    probability: list[float] = Field(description="(2^n_visible,); they add up to 1.")
    log_partition: float
    log_likelihood: float | None = Field(
        description="Mean log-probability of bars and stripes, in nats; null unless there are 9 visible units."
    )
    probability_of_data: float | None = Field(description="Of all bars and stripes together.")


class LabGibbsRequest(Request):
    """Go on with a chain: half-steps of a restricted machine, single units in turn of a general one."""

    machine: Machine
    visible: Bits = Field(min_length=1, max_length=MOST_VISIBLE)
    hidden: Bits | None = Field(
        default=None, max_length=MOST_UNITS, description="Null in a restricted machine to begin by drawing them."
    )
    clamped: list[Annotated[int, Field(strict=True, ge=0, lt=MOST_VISIBLE + MOST_HIDDEN)]] = Field(
        default=[], max_length=MOST_VISIBLE + MOST_HIDDEN, description="Units held, visible ones counted first."
    )
    n_steps: Annotated[int, Field(strict=True, ge=1, le=500)] = 1
    step: Annotated[int, Field(strict=True, ge=0, lt=2**40)] = Field(
        default=0, description="Steps made so far. In a restricted machine even steps draw the hidden units."
    )
    temperature: Temperature = 1.0
    seed: Seed = 0


class LabStep(Answer):
    """One step of a chain."""

    step: int
    units: list[int] = Field(description="The units drawn, visible ones counted first.")
    probabilities: list[float] = Field(description="Of being on, one a unit drawn.")
    tosses: list[float] = Field(description="A uniform number a unit drawn: on where it is below the probability.")
    visible: Bits
    hidden: Bits
    energy: float = Field(description="E(v, h) after the step, in nats.")
    free_energy: float = Field(description="F(v) after the step, in nats.")


class LabGibbs(Answer):
    """Steps of a chain; send the last state and step back to go on."""

    steps: list[LabStep]
    step: int


class LearnRequest(Request):
    """Learn bars and stripes by gradient steps on all 14 patterns together."""

    machine: Machine
    rule: Literal["exact", "cd", "pcd"] = Field(
        default="cd", description="Fantasies from: enumeration; chains begun at the data; chains that go on."
    )
    n_steps: Annotated[int, Field(strict=True, ge=1, le=1_000)] = Field(
        default=1, description="Sweeps of a chain before each update; a large number is the full chain."
    )
    n_updates: Annotated[int, Field(strict=True, ge=1, le=1_000)] = 1
    learning_rate: Annotated[Number, Field(ge=0, le=10)] = 0.1
    n_chains: Annotated[int, Field(strict=True, ge=1, le=MOST_CHAINS)] = Field(
        default=14, description="Of pcd; cd has one a pattern."
    )
    chains: list[Bits] | None = Field(
        default=None,
        max_length=MOST_CHAINS,
        description="States of pcd's chains, all units; null to begin at the patterns.",
    )
    update: Annotated[int, Field(strict=True, ge=0, lt=2**40)] = Field(default=0, description="Updates made so far.")
    record_every: Annotated[int, Field(strict=True, ge=1, le=1_000)] = 1
    seed: Seed = 0

    @model_validator(mode="after")
    def _bounded(self) -> Any:
        n_visible = len(self.machine.W) if self.machine.kind == "restricted" else self.machine.n_visible
        if n_visible != 9:
            raise ValueError(f"bars and stripes are 3 by 3, the machine has {n_visible} visible units, not 9")
        work = self.n_steps * self.n_updates
        if self.rule != "exact" and work > MOST_WORK:
            raise ValueError(f"n_steps times n_updates is {work:,}; ask for {MOST_WORK:,} at most in one request")
        return self


class Statistics(Answer):
    """Mean of a pair or unit being on."""

    pairs: list[list[float]] = Field(description="Shaped as the machine's W or J.")
    b: list[float]
    c: list[float] | None = Field(description="Null in a general machine.")


class CurvePoint(Answer):
    """Exact log-likelihood on the way."""

    update: int
    log_likelihood: float = Field(description="Mean a pattern, in nats.")
    seconds: float = Field(description="Spent learning up to here within this request, scoring left out.")


class Learnt(Answer):
    """What learning did."""

    machine: Machine
    chains: list[Bits] | None = Field(description="Of pcd, to send back.")
    update: int
    curve: list[CurvePoint]
    data: Statistics = Field(description="Last positive phase: what the data turn on; its energy is pushed down.")
    fantasy: Statistics = Field(description="Last negative phase: what the fantasies turn on; pulled up.")
    fantasies: list[Bits] = Field(description="Visible states of the last negative phase; empty for exact.")


class MixingRequest(Request):
    """How fast does Gibbs sampling forget where it began? Exact: the distribution itself is stepped, no chain drawn."""

    machine: Machine
    start: Bits | None = Field(
        default=None,
        max_length=MOST_VISIBLE,
        description="Visible state all chains begin at; null for all off.",
    )
    n_sweeps: Annotated[int, Field(strict=True, ge=1, le=1_000)] = 100
    temperature: Annotated[float, Field(strict=True, gt=0.01, le=100)] = 1.0


class Mixing(Answer):
    """Distance to equilibrium after each sweep, in which every unit is drawn once."""

    start: Bits
    distance: list[float] = Field(description="Total variation over visible states, 0 to 1; (n_sweeps + 1,).")
    half_life: float | None = Field(description="Sweeps until the distance is half of the first; null if not reached.")
    n_sweeps: int
    seconds_per_sweep: float = Field(description="Measured: one sweep of 100 sampled chains.")
