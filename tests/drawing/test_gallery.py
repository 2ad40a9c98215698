"""The pictures: what they measure, that every one is drawn in both styles, and the command line around them."""

import builtins
import contextlib
import io
import json

import numpy as np
import pytest

from harmonium.cli import main
from harmonium.cli.lab import NAMES
from harmonium.drawing import patterns, small, style
from harmonium.drawing.gallery import PICTURES
from harmonium.drawing.learnt import Ask
from harmonium.errors import DataError
from harmonium.training.dense import loop

TINY = ["--effort", "0.01", "--n-hidden", "6", "--quiet"]


def lab(*arguments):
    """Run `harmonium lab`; return its exit code, stdout and stderr."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as left:
        main(["lab", *map(str, arguments)])
    return int(left.value.code or 0), out.getvalue(), err.getvalue()


def test_the_lab_draws_every_picture_in_both_styles_and_lists_its_numbers(tmp_path):
    pytest.importorskip("matplotlib")
    code, out, _ = lab(tmp_path / "new", *TINY, "--style", "both", "--json")
    found = json.loads(out)
    assert code == 0
    assert tuple(found) == NAMES == tuple(PICTURES)
    for name in NAMES:
        paths = [tmp_path / "new" / f"{name}-{look}.svg" for look in ("light", "dark")]
        assert found[name]["files"] == list(map(str, paths))
        light, dark = (path.read_text(encoding="utf-8") for path in paths)
        assert light.startswith("<?xml") and light != dark
    assert found["landscape"]["best_possible"] == pytest.approx(-2.5993, abs=1e-4)
    assert found["chains"]["exact"]["log_likelihood"] < found["chains"]["best_possible"]
    assert len(found["ladder"]["swap_rates"]) == 7


def test_ctrl_c_leaves_the_pictures_drawn_by_then_and_draws_no_machine_that_has_half_learned(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    real, calls = loop.update, []

    def update(*given, **how):
        calls.append(given)
        if drawn and len(calls) > drawn[0]:
            raise KeyboardInterrupt
        return real(*given, **how)

    drawn = []
    monkeypatch.setattr(loop, "update", update)
    monkeypatch.setattr(style, "save", lambda figure, path: drawn.append(len(calls)))
    code, out, err = lab(tmp_path, "--effort", "0.01", "--n-hidden", "6", "--only", "filters", "--only", "landscape")
    assert code == 130 and "filters.svg" in out and "landscape.svg" not in out
    assert "interrupted: landscape not drawn" in err


def test_one_picture_of_ones_own_images_as_png(tmp_path):
    pytest.importorskip("matplotlib")
    np.save(tmp_path / "mine.npy", np.random.default_rng(0).random((20, 4, 6)))
    code, out, _ = lab(tmp_path, *TINY, "--only", "filters", "--format", "png", "--images", tmp_path / "mine.npy")
    assert code == 0 and "filters.png" in out
    assert (tmp_path / "filters.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "filter"], "--only: 'filter' is not one of filters"),
        (["--style", "pink"], "--style: 'pink'"),
        (["--format", "gif"], "--format: 'gif'"),
        (["--images", "none.npy"], "none.npy: is not an array"),
    ],
)
def test_what_the_lab_does_not_know_is_an_error_in_a_line(arguments, message, tmp_path):
    pytest.importorskip("matplotlib")
    code, out, err = lab(tmp_path, *TINY, *arguments)
    assert (code, out) == (1, "") and message in err and err.count("\n") == 1
    (tmp_path / "file").touch()
    assert "is a file; name a folder" in lab(tmp_path / "file", *TINY)[2]


def test_without_matplotlib_the_extra_is_named(monkeypatch, tmp_path):
    real = builtins.__import__

    def without(name, *rest):
        if name.split(".")[0] == "matplotlib":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    code, _, err = lab(tmp_path, *TINY)
    assert (code, err) == (1, "error: pictures need matplotlib: pip install 'harmonium[plot]'\n")


def test_bars_and_stripes_are_all_of_them_and_their_best_likelihood_is_the_known_one():
    for side, n, best in ((2, 6, -1.7329), (3, 14, -2.5993), (4, 30, -3.3791), (5, 62, -4.1156)):
        X = patterns.bars_and_stripes(side).X
        assert (len(X), len(np.unique(X, axis=0))) == (2 ** (side + 1), n)
        assert patterns.best_likelihood(X) == pytest.approx(best, abs=1e-4)


def test_best_likelihoods_summed_as_the_literature_sums_them():
    """Over 8 and 16 draws, over 30 patterns that differ, and a bar that shifts through nine units."""
    for side, total in ((2, -13.863), (3, -41.589)):
        X = patterns.bars_and_stripes(side).X
        assert len(X) * patterns.best_likelihood(X) == pytest.approx(total, abs=2e-3)
    X = np.unique(patterns.bars_and_stripes(4).X, axis=0)
    twice = np.log([2 / 32 if row.min() == row.max() else 1 / 32 for row in X])
    assert twice.sum() == pytest.approx(-102.586, abs=2e-3)
    assert 9 * patterns.best_likelihood(np.eye(9)) == pytest.approx(-19.775, abs=1e-3)


def test_digits_of_segments_come_again_from_the_same_seed_and_are_ten_kinds():
    images = patterns.segment_digits(400, 1)
    np.testing.assert_array_equal(images.X, patterns.segment_digits(400, 1).X)
    assert images.X.shape == (400, 108)
    assert set(np.unique(images.X)) == {0, 1}
    assert 100 < len(np.unique(images.X, axis=0)) <= 10 * 2 * 4 * 4


@pytest.mark.parametrize("array", [np.zeros((3, 5)), np.full((2, 4), 2.0), np.full((2, 4), np.nan), np.array(["a"])])
def test_arrays_that_are_no_images_are_refused(array, tmp_path):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(DataError, match=r"a\.npy: "):
        patterns.read_images(tmp_path / "a.npy")


def test_the_landscape_is_every_probability_and_neighbours_differ_by_one_pixel():
    found, numbers = small.landscape(Ask(patterns.bars_and_stripes(3), 6, 0.1, 0))
    for surprise in (found.before, found.after):
        assert np.exp(-surprise).sum() == pytest.approx(1)
    assert numbers["patterns"] == found.is_data.sum() == 14
    assert numbers["mass_after"] > numbers["mass_before"]
    steps = small._gray(5)[1:] ^ small._gray(5)[:-1]
    assert ((steps > 0) & (steps & (steps - 1) == 0)).all()
