"""What the model is, how it was trained, and how good it is."""

from datetime import datetime
from typing import Any, Literal

from pydantic import ConfigDict, Field

from harmonium.serving.schemas.asking import Genre
from harmonium.serving.schemas.common import Answer


class ScaleAnswer(Answer):
    """The levels that a rating can take."""

    levels: list[float]
    names: list[str] | None
    description: str


class ChoiceModelInfo(Answer):
    """The model that answers now, where it learned from choices."""

    kind: Literal["choices"]
    name: str = Field(description="The file's name, without its folder.")
    fingerprint: str = Field(description="SHA-256 of the file.")
    loaded_at: datetime
    library: str = Field(description="Version of harmonium that serves it.")
    algorithm: str = Field(description="The estimator's name.")
    n_items: int
    n_units: int = Field(description="Hidden units that can be described; 0 of a closed form.")
    n_training_choices: int
    calibrated: bool = Field(description="Whether places of a list come with probabilities.")
    has_titles: bool
    has_record: bool = Field(description="Whether the file says how it was learned.")
    genres: list[Genre]
    settings: dict[str, Any] = Field(description="Of the estimator.")
    terms: str = Field(description="On which terms the choices may be used, where known.")


class ModelInfo(Answer):
    """The model that answers now."""

    kind: Literal["ratings"]
    name: str = Field(description="The file's name, without its folder.")
    fingerprint: str = Field(description="SHA-256 of the file.")
    loaded_at: datetime
    library: str = Field(description="Version of harmonium that serves it.")
    cases: Literal["users", "items", "both"]
    n_items: int
    n_hidden: int
    n_units: int = Field(description="Hidden units that can be described; 0 without a users machine.")
    n_parameters: int
    n_training_ratings: int
    scale: ScaleAnswer
    like: float = Field(description="Ratings of at least this count as liking.")
    has_choices: bool = Field(description="Whether lists are ranked by what people choose too, see rank_by.")
    has_titles: bool
    has_record: bool = Field(description="Whether the file holds training curves and an evaluation.")
    genres: list[Genre]
    settings: dict[str, Any] = Field(description="Of the RatingRBM.")
    terms: str = Field(description="On which terms the ratings may be used, where known.")


class TrainingAnswer(Answer):
    """What happened while the model was trained: the event stream, as in the log of `harmonium train`."""

    events: list[dict[str, Any]] = Field(description="Kinds: began, epoch, saved, ended; see harmonium.events.")
    seconds: float | None


class ReliabilityPoint(Answer):
    """Ratings with about the same predicted probability of liking."""

    predicted: float
    observed: float
    n: int


class ScoreAnswer(Answer):
    """How good predictions are; less is better throughout."""

    rmse: float
    mae: float
    log_loss: float
    ece: float
    ece_by_chance: float
    n: int
    rmse_se: float | None
    mae_se: float | None
    log_loss_se: float | None
    reliability: list[ReliabilityPoint]


class DifferenceAnswer(Answer):
    """The model's scores minus a baseline's: below 0, the model is better."""

    rmse: float
    mae: float
    log_loss: float
    rmse_se: float | None
    mae_se: float | None
    log_loss_se: float | None


class EvaluationAnswer(Answer):
    """How the model predicts ratings that were held out, beside baselines."""

    protocol: str = Field(description="How the ratings were held out.")
    model: ScoreAnswer
    baselines: dict[str, ScoreAnswer]
    differences: dict[str, DifferenceAnswer]
    n_users: int
    n_without_history: int
    n_unknown_items: int
    like: float
    leak_checked: bool


class ListEvaluationAnswer(Answer):
    """How the lists of a model of choices hold what held-out people chose besides: metrics, standard errors."""

    model_config = ConfigDict(extra="allow")

    protocol: str = Field(description="How the people were held out.")
    n_users: int


class Histogram(Answer):
    """Counts between edges."""

    edges: list[float] = Field(description="One more than counts, rising.")
    counts: list[int]
    quantiles: list[float] = Field(description="At 0, 0.01, ..., 1.")


class FreeEnergies(Answer):
    """Training users by how probable their histories are: who is unusual."""

    n_users: int = Field(description="A sample of the training users where there are many.")
    free_energy_per_rating: Histogram
    surprise_per_rating: Histogram = Field(description="Mean of -log P(a rating | the user's others), in nats.")


class Health(Answer):
    """Whether the process lives."""

    status: Literal["ok"]


class Readiness(Answer):
    """Whether requests can be answered."""

    status: Literal["ready", "not ready"]
    model: str = Field(description="ready, or what is wrong with it.")
    store: str = Field(description="ready, or what is wrong with it.")
