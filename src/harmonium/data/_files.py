"""Files by name, glob or list, decompressed as a stream and cut into blocks of whole lines."""

import contextlib
import glob
import gzip
import io
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from harmonium.errors import DataError

BLOCK_BYTES = 1 << 24  # text is read 16 MiB at a time
LONGEST_LINE = 1 << 26  # 64 MiB without a line end is no table
PARQUET = (".parquet", ".pq")
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def expand(source: Any) -> list[Path]:
    """The files that a path, a glob pattern, a folder of Parquet files or a list of them names, in sorted order.

    Parameters
    ----------
    source : path, str or sequence of them

    Returns
    -------
    list of Path

    Raises
    ------
    DataError
        A file does not exist, a folder has no Parquet file, or a pattern fits nothing.
    """
    if isinstance(source, (list, tuple)):
        files = [file for part in source for file in expand(part)]
        if not files:
            raise DataError("the list of files is empty")
        return files
    path = Path(source).expanduser()
    if path.is_file():
        return [path]
    if glob.has_magic(str(path)):
        files = sorted(Path(name) for name in glob.glob(str(path), recursive=True) if os.path.isfile(name))
        if not files:
            raise DataError(f"no file fits {source}")
        return files
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix in PARQUET and file.is_file())
        if not files:
            raise DataError(f"{source} is a folder without Parquet files; name its files, such as {path / '*.csv'}")
        return files
    raise DataError(f"{source} does not exist")


@contextlib.contextmanager
def open_stream(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading, decompressed on the way when its name ends in .gz, .zst or .zstd.

    Parameters
    ----------
    path : Path

    Yields
    ------
    binary file

    Raises
    ------
    DataError
        The file cannot be read or decompressed.
    """
    from zstandard import ZstdDecompressor, ZstdError

    try:
        with path.open("rb") as raw:
            if path.suffix == ".gz":
                with gzip.open(raw) as stream:
                    yield io.BufferedReader(stream)
            elif path.suffix in (".zst", ".zstd"):
                with ZstdDecompressor().stream_reader(raw, read_across_frames=True) as stream:
                    yield io.BufferedReader(stream)
            else:
                yield raw
    except (gzip.BadGzipFile, EOFError, zlib.error, ZstdError) as error:
        raise DataError(f"{path.name} is damaged: it cannot be decompressed ({error})") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None


def line_blocks(path: Path, quote: bytes = b"") -> Iterator[bytes]:
    """Text of a file in blocks that end at a line end, without the byte order mark.

    Parameters
    ----------
    path : Path
    quote : bytes
        Line ends between two of these are inside a field, where a block never ends.

    Yields
    ------
    bytes

    Raises
    ------
    DataError
        The file is not text, or a line never ends.
    """
    rest = b""
    n_lines = 0
    with open_stream(path) as stream:
        while piece := stream.read(BLOCK_BYTES):
            if not rest and not n_lines:
                piece = piece.removeprefix(BYTE_ORDER_MARK)
            if b"\0" in piece:
                raise DataError(f"{path.name} is not a text file: it holds null bytes")
            block, rest = _cut(rest + piece, quote)
            if len(rest) > LONGEST_LINE:
                unclosed = ", or a quote that never closes" if quote and quote in rest else ""
                size = f"{LONGEST_LINE >> 20} MiB"
                raise DataError(f"{path.name}, line {n_lines + 1}: over {size} without a line end{unclosed}")
            n_lines += block.count(b"\n")
            if block:
                yield block
    if quote and rest.count(quote) % 2:
        raise DataError(f"{path.name}, line {n_lines + 1}: a quote opens and never closes")
    if rest:
        yield rest


def _cut(text: bytes, quote: bytes) -> tuple[bytes, bytes]:
    """Cut after the last line end that is not inside quotes."""
    end = text.rfind(b"\n") + 1
    while quote and end and text.count(quote, 0, end) % 2:
        end = text.rfind(b"\n", 0, text.rfind(quote, 0, end)) + 1
    return text[:end], text[end:]
