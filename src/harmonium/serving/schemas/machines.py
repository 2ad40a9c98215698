"""The users machine seen from inside: hidden units, dreams, Gibbs steps, energies."""

from typing import Annotated, Literal

from pydantic import Field

from harmonium.serving.schemas.common import Answer, Count, Filters, Item, ItemId, PredictedItem, Request, Seed, Who

MOST_VISIBLE = 40  # visible units of a Gibbs chain
MOST_HALF_STEPS = 200
MOST_STATES = 20_000  # joint states that are enumerated for exact frequencies

UnitIndex = Annotated[int, Field(strict=True, ge=0, lt=65_536)]
Bit = Annotated[int, Field(strict=True, ge=0, le=1)]
Temperature = Annotated[float, Field(strict=True, ge=0, le=100, description="0 takes the most probable state.")]
LevelCode = Annotated[int, Field(strict=True, ge=0, lt=254)]


class UnitItem(Answer):
    """An item at one end of a hidden unit."""

    item_id: int | str
    title: str
    weight: float = Field(description="What the unit, when on, adds to the fields of the liked levels, in nats.")
    n_ratings: int


class Unit(Answer):
    """What a hidden unit stands for: the items whose liking turns it on, and off."""

    unit: int
    bias: float
    resting_activation: float = Field(description="Probability of being on for someone without a history.")
    positive: list[UnitItem]
    negative: list[UnitItem]


class UnitList(Answer):
    """All hidden units of the users machine."""

    n_units: int
    units: list[Unit]


class ActivationsRequest(Who):
    """Which hidden units does a history turn on?"""


class Activation(Answer):
    """A hidden unit under a history."""

    unit: int
    field: float = Field(description="In nats; the probability is its logistic function.")
    probability: float
    resting: float = Field(description="Probability without a history.")


class Activations(Answer):
    """The hidden units under a history."""

    n_rated: int
    units: list[Activation]


class Switch(Request):
    """A hidden unit held on or off."""

    unit: UnitIndex
    on: bool = Field(strict=True)


class DreamRequest(Who, Filters):
    """Hold hidden units on or off and see which items rise; the others stay as the history leaves them."""

    units: list[Switch] = Field(min_length=1, max_length=1_024)
    n: Count = 10


class DreamItem(PredictedItem):
    """An item under held units."""

    rank: int
    before: float = Field(description="Probability of liking with no unit held.")
    rise: float = Field(description="Probability of liking with them held, less before; shrunk where few rated.")


class Dream(Answer):
    """What held units make of the items, in the users machine alone."""

    rising: list[DreamItem]
    falling: list[DreamItem]


class HiddenClamp(Request):
    """A hidden unit held at a state."""

    unit: UnitIndex
    state: Bit


class VisibleUnit(Request):
    """A visible unit of the chain: an item that was rated, by which level is drawn."""

    item: ItemId
    level: LevelCode | None = Field(
        default=None, description="Level code, from 0; null to begin with its resting mode."
    )
    clamped: bool = Field(default=False, strict=True)


class GibbsRequest(Request):
    """Go on with a chain by half-steps: all free hidden units given the visible ones, or the other way round."""

    visible: list[VisibleUnit] = Field(min_length=1, max_length=MOST_VISIBLE)
    hidden: list[Bit] | None = Field(
        default=None, description="State of all hidden units; null before the first half-step."
    )
    clamped_hidden: list[HiddenClamp] = Field(default=[], max_length=65_536)
    next: Literal["hidden", "visible"] = Field(default="hidden", description="What is drawn first.")
    n_half_steps: Annotated[int, Field(strict=True, ge=1, le=MOST_HALF_STEPS)] = 1
    temperature: Temperature = 1.0
    seed: Seed = 0
    step: Annotated[int, Field(strict=True, ge=0, lt=2**40)] = Field(
        default=0, description="Half-steps made so far; with the seed it decides the tosses."
    )
    exact: bool = Field(
        default=False, strict=True, description="Also enumerate the states and return the exact frequencies."
    )


class HalfStep(Answer):
    """One half-step: what was drawn, from which probabilities, by which tosses."""

    step: int
    drawn: Literal["hidden", "visible"]
    probabilities: list[list[float]] = Field(
        description="Hidden: [P(on)] of each unit. Visible: of each level of each item."
    )
    tosses: list[float] = Field(description="A uniform number a unit; clamped units do not heed it.")
    hidden: list[int] = Field(description="After the half-step.")
    levels: list[int] = Field(description="Level codes of the items after the half-step.")
    energy: float = Field(description="Joint energy E(v, h) after the half-step, in nats, at temperature 1.")
    free_energy: float = Field(description="F(v) after the half-step, in nats, at temperature 1.")


class ExactFrequencies(Answer):
    """What the chain's frequencies close in on, by enumeration of all levels of the free items."""

    n_states: int
    levels: list[list[float]] = Field(description="Probability of each level of each item.")
    hidden: list[float] = Field(description="Probability of each hidden unit being on.")
    log_partition: float = Field(description="Over the enumerated states, in nats.")


class GibbsAnswer(Answer):
    """Half-steps of a chain; send its last state back to go on."""

    items: list[Item]
    levels: list[float] = Field(description="The ratings that level codes stand for.")
    half_steps: list[HalfStep]
    next: Literal["hidden", "visible"]
    step: int
    exact: ExactFrequencies | None = Field(description="Null where not asked for.")


class EnergyRequest(Who):
    """How probable is a history?"""


class RatingEnergy(Answer):
    """What one entry does to the free energy of a history."""

    item_id: int | str
    title: str
    rating: float | None
    free_energy: float = Field(description="Of the whole history, less that without this entry, in nats.")
    surprise: float | None = Field(description="-log P(this rating | the others), in nats; null for seen, not rated.")


class EnergyAnswer(Answer):
    """A history weighed in the users machine."""

    free_energy: float = Field(description="In nats; only histories of the same items compare.")
    free_energy_per_rating: float
    surprise_per_rating: float | None = Field(description="Mean surprise; comparable between any histories.")
    percentile: float | None = Field(
        description="Share of the training users with less surprise a rating, 0 to 1; null where not recorded."
    )
    n_rated: int
    ratings: list[RatingEnergy]
    hidden: list[float]
