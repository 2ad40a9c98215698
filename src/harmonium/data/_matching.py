"""Titles as people type them: normalised names, and a trigram index for nearest ones."""

import difflib
import re
import unicodedata

import numpy as np

N_BUCKETS = 1 << 16  # trigrams are hashed into so many lists; a collision only adds a candidate
N_RERANKED = 60  # candidates that difflib scores after the trigrams have chosen them
BEGINNING_WEIGHT = 0.9  # likeness to the beginning of a title, against likeness to the whole
WORDS_BONUS = 0.15  # a title that holds the text as whole words

_ARTICLES = frozenset(  # as in MovieLens: "Matrix, The", "Postino, Il"
    (
        *("the", "a", "an", "le", "la", "les", "l", "un", "une", "der", "die", "das", "ein", "eine", "el"),
        *("los", "las", "lo", "il", "gli", "i", "den", "det", "en", "ett", "het", "de"),
    )
)
_YEAR = re.compile(r"\(?\b((?:18|19|20)\d\d)(?:\s*[-–]\s*(?:\d{4})?)?\)?\s*$")
_PARENTHESES = re.compile(r"\(([^()]*)\)")
_ALSO_KNOWN_AS = re.compile(r"^\s*a\.?k\.?a\.?\s+", re.IGNORECASE)


def split_year(title: str) -> tuple[str, int]:
    """Take the year from the end of a title.

    Parameters
    ----------
    title : str

    Returns
    -------
    name : str
    year : int
        0 when there is none in parentheses.

    Examples
    --------
    >>> split_year("Matrix, The (1999)")
    ('Matrix, The', 1999)
    """
    title = title.strip()
    found = _YEAR.search(title)
    if found and found.group().startswith("("):
        return title[: found.start()].strip(), int(found.group(1))
    return title, 0


def typed_year(text: str) -> tuple[str, int]:
    """Like `split_year`, for what someone typed: the year needs no parentheses.

    Parameters
    ----------
    text : str

    Returns
    -------
    name : str
    year : int
    """
    found = _YEAR.search(text.strip())
    if found and found.start():
        return text.strip()[: found.start()].strip(), int(found.group(1))
    return text, 0


def normalise(name: str) -> str:
    """Lower case, no accents, no punctuation, single spaces, the article in front.

    Parameters
    ----------
    name : str

    Returns
    -------
    str

    Examples
    --------
    >>> normalise("Misérables, Les")
    'les miserables'
    """
    plain = name.replace("’", "'").strip()
    head, comma, tail = plain.rpartition(",")
    if comma and tail.strip().rstrip("'").lower() in _ARTICLES:
        plain = f"{tail.strip()} {head}"
    decomposed = unicodedata.normalize("NFKD", plain.casefold().replace("&", " and "))
    letters = "".join(c for c in decomposed if not unicodedata.combining(c))
    letters = letters.replace("'", "").replace(".", "")
    return " ".join(re.sub(r"[\W_]+", " ", letters).split())


def without_article(name: str) -> str:
    """A normalised name without its first word where that is an article.

    Parameters
    ----------
    name : str

    Returns
    -------
    str
    """
    first, _, rest = name.partition(" ")
    return rest if rest and first in _ARTICLES else name


def names_of(title: str) -> tuple[str, ...]:
    """All normalised names in one title: the title, and what stands in parentheses.

    Parameters
    ----------
    title : str

    Returns
    -------
    tuple of str
        The main name first.

    Examples
    --------
    >>> names_of("Seven (a.k.a. Se7en) (1995)")
    ('seven', 'se7en')
    """
    name, _ = split_year(title)
    inner = [_ALSO_KNOWN_AS.sub("", part) for part in _PARENTHESES.findall(name)]
    outer = _PARENTHESES.sub(" ", name)
    names = dict.fromkeys(normalise(part) for part in (outer, *inner))
    return tuple(name for name in names if name) or (normalise(title),)


class TrigramIndex:
    """Finds the names nearest to a text, typing errors allowed.

    Parameters
    ----------
    names : list of str
        Normalised.

    Notes
    -----
    Candidates share the most letter triples with the text (Dice coefficient); difflib ranks the best of them.
    """

    def __init__(self, names: list[str]):
        self.names = names
        bucket, owner = _trigrams(names)
        order = np.argsort(bucket, kind="stable")
        self.owner = owner[order]
        self.start = np.searchsorted(bucket[order], np.arange(N_BUCKETS + 1))
        self.n_trigrams = np.bincount(owner, minlength=len(names))

    def nearest(self, text: str, n: int) -> list[tuple[int, float]]:
        """The names nearest to a normalised text.

        Parameters
        ----------
        text : str
        n : int

        Returns
        -------
        list of (int, float)
            Position of the name and its score, best first.
        """
        buckets, _ = _trigrams([text])
        lists = [self.owner[self.start[b] : self.start[b + 1]] for b in np.unique(buckets)]
        shared = np.bincount(np.concatenate(lists), minlength=len(self.names))
        dice = 2 * shared / (self.n_trigrams + len(lists))
        n_kept = min(max(n, N_RERANKED), len(self.names))
        kept = np.argpartition(-dice, n_kept - 1)[:n_kept]
        scored = [(int(k), _similarity(text, self.names[k])) for k in kept if dice[k] > 0]
        return sorted(scored, key=lambda pair: (-pair[1], pair[0]))[:n]


def _similarity(text: str, name: str) -> float:
    """Likeness to the whole name or, a little less, to its beginning."""
    matcher = difflib.SequenceMatcher(None, text, name, autojunk=False)
    whole = matcher.ratio()
    matcher.set_seq2(name[: len(text) + 1])
    score = max(whole, BEGINNING_WEIGHT * matcher.ratio())
    return score + WORDS_BONUS * (f" {text} " in f" {name} ")


def _trigrams(names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Distinct hashed trigrams of every name with the name's position, int64 (n_trigrams,) each."""
    padded = [f"  {name} " for name in names]
    letters = np.frombuffer("".join(padded).encode("utf-32-le"), dtype=np.uint32).astype(np.int64)
    lengths = np.fromiter(map(len, padded), dtype=np.int64, count=len(padded))
    owner = np.repeat(np.arange(len(padded)), lengths)
    bucket = (letters[:-2] * 961 + letters[1:-1] * 31 + letters[2:]) % N_BUCKETS
    inside = owner[:-2] == owner[2:]
    pairs = np.unique(owner[:-2][inside] * N_BUCKETS + bucket[inside])
    return pairs % N_BUCKETS, pairs // N_BUCKETS
