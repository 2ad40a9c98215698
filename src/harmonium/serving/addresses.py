"""Ids in addresses: any text, percent-encoded, an encoded slash included."""

from urllib.parse import unquote_to_bytes

from harmonium.data import Vocabulary
from harmonium.serving.schemas.common import MOST_ID


def decoded(part: str) -> str:
    """Text of a part of an address as it came, percent signs and all.

    Parameters
    ----------
    part : str

    Raises
    ------
    ValueError
        It is no UTF-8, or too long.

    Examples
    --------
    >>> decoded("a%2Fb%20%25")
    'a/b %'
    """
    try:
        text = unquote_to_bytes(part).decode()
    except UnicodeDecodeError:
        raise ValueError("the percent-encoded bytes are not UTF-8") from None
    if len(text) > MOST_ID:
        raise ValueError(f"an id has at most {MOST_ID} characters, this one has {len(text)}")
    return text


def raw_item(text: str, items: Vocabulary) -> int | str:
    """An item id from an address as the vocabulary has it: a number where all are numbers.

    Parameters
    ----------
    text : str
    items : Vocabulary
    """
    plain = text.removeprefix("-")
    return int(text) if not items.is_text and plain.isascii() and plain.isdigit() and len(plain) < 20 else text
