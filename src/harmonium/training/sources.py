"""Where a fit's ratings are: in memory, or on disk; asked for by what the cases are, and by part."""

from collections.abc import Iterable, Iterator
from typing import TypeAlias, final

from harmonium.conventions import UNRATED
from harmonium.data import Ratings, Split
from harmonium.data.scale import Scale
from harmonium.data.shards import Shards
from harmonium.data.splits import held_out_mask, split_by_mask
from harmonium.data.stored import StoredRatings
from harmonium.data.vocabulary import Vocabulary
from harmonium.errors import SettingError
from harmonium.events import Event


@final
class InMemory:
    """Ratings in memory, as `StoredRatings` are asked for them.

    Parameters
    ----------
    ratings : Ratings
        Users as rows.
    split : Split, optional
        Into the part to learn from while choosing, and the one that chooses.
    """

    def __init__(self, ratings: Ratings, split: Split[Ratings] | None):
        self.ratings, self.split = ratings, split

    @property
    def users(self) -> Vocabulary:
        """Raw ids of the users."""
        return self.ratings.users

    @property
    def items(self) -> Vocabulary:
        """Raw ids of the items."""
        return self.ratings.items

    @property
    def scale(self) -> Scale:
        """Scale of the ratings."""
        return self.ratings.scale

    def prepare(self, kinds: Iterable[str], fraction: float, seed: int) -> Iterator[Event]:
        """Nothing is to be done.

        Parameters
        ----------
        kinds : iterable of str
        fraction : float
        seed : int
        """
        return iter(())

    def cases(self, kind: str, part: str = "all") -> Shards:
        """One case a row, in one shard.

        Parameters
        ----------
        kind : {"users", "items"}
            What the rows are.
        part : {"all", "known", "held"}
            All ratings, those without the ones held out, or the ones held out.
        """
        parts = {"all": self.ratings, "known": self.split and self.split.train, "held": self.split and self.split.test}
        ratings = parts[part]
        assert ratings is not None
        return Shards(ratings if kind == "users" else ratings.transposed())


Source: TypeAlias = InMemory | StoredRatings


def source_of(
    ratings: Ratings | StoredRatings, fraction: float, seed: int, validation: Ratings | None
) -> tuple[Source, bool]:
    """Return the source of some ratings, and whether some are held out.

    Parameters
    ----------
    ratings : Ratings or StoredRatings
    fraction : float
        Share to hold out.
    seed : int
    validation : Ratings, optional
        Validation ratings of your own, over the same vocabularies.

    Raises
    ------
    SettingError
        Stored ratings come with validation ratings of your own.
    """
    enough = bool(fraction) and ratings.n_ratings * fraction >= 1
    if isinstance(ratings, StoredRatings):
        if validation is not None:
            raise SettingError(
                "validation: is for ratings in memory; of stored ones validation_fraction holds some out"
            )
        return ratings, enough
    if validation is not None:
        return InMemory(ratings, Split(ratings, validation.select(validation.level != UNRATED))), True
    if not enough:
        return InMemory(ratings, None), False
    mask = held_out_mask(ratings.n_entries, fraction, seed) & (ratings.level != UNRATED)
    return InMemory(ratings, split_by_mask(ratings, mask)), True
