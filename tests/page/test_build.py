"""The built page: how it comes about, how heavy it is, what it may do."""

import gzip
import re
from pathlib import Path
from types import ModuleType

import httpx2 as httpx
import pytest
from _driving import READY, watched
from fastapi.testclient import TestClient
from playwright.sync_api import Browser, expect

from harmonium.serving import built_page
from harmonium.serving.application import create
from harmonium.serving.settings import Settings

LIGHT = 80_000  # bytes, gzipped, of what loads before the first chart


def first_load(built: Path) -> list[Path]:
    """index.html and what it loads at once."""
    index = built / "index.html"
    names = re.findall(r'(?:src|href)="/([^"]+\.(?:js|css|svg))"', index.read_text(encoding="utf-8"))
    return [index, *(built / name for name in names)]


def test_the_page_is_light(built: Path):
    sizes = {path.name: len(gzip.compress(path.read_bytes())) for path in first_load(built)}
    assert len(sizes) >= 4
    assert sum(sizes.values()) < LIGHT


def test_the_page_needs_nothing_that_a_strict_policy_forbids(built: Path):
    index = (built / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", index)
    for path in built.rglob("*.*"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"\beval\(|new Function\(|url\(\s*[\"']?(?:data|https?):", text), path.name
        assert not re.findall(r"https?://(?!www\.w3\.org/|localhost|127\.0\.0\.1)[\w.-]+\.\w+", text), path.name


def test_a_page_whose_sources_did_not_change_is_not_built_again(build_hook: ModuleType, built: Path):
    assert build_hook.is_built()
    assert build_hook.build(report=lambda said: None) is False


def test_a_change_of_the_sources_is_noticed(build_hook: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "package.json").write_text("{}")
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "static").mkdir()
    monkeypatch.setattr(build_hook, "PAGE", tmp_path)
    monkeypatch.setattr(build_hook, "STATIC", tmp_path.parent / "static")
    before = build_hook.digest()
    (tmp_path / "node_modules" / "other.js").write_text("installed, not ours")
    assert build_hook.digest() == before
    (tmp_path / "page.ts").write_text("changed")
    assert build_hook.digest() != before
    assert not build_hook.is_built()


def test_without_node_the_build_asks_for_the_package_that_brings_it(
    build_hook: ModuleType, monkeypatch: pytest.MonkeyPatch
):
    hook = build_hook.CustomBuildHook.__new__(build_hook.CustomBuildHook)
    monkeypatch.setattr(build_hook, "is_built", lambda: False)
    monkeypatch.setenv("PATH", "")
    assert hook.dependencies() == [build_hook.NODE_PACKAGE]
    monkeypatch.setenv(build_hook.SWITCH, "skip")
    assert hook.dependencies() == []


def test_a_page_that_cannot_be_built_says_what_to_do(build_hook: ModuleType, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(build_hook, "is_built", lambda: False)
    monkeypatch.setattr(build_hook, "_packaged", lambda: None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(build_hook.PageError, match="pip install"):
        build_hook.build(report=lambda said: None)


def test_files_come_compressed_and_are_kept_by_the_browser_where_they_cannot_change(address: str, built: Path):
    for path in first_load(built):
        name = path.relative_to(built).as_posix().replace("index.html", "")
        answer = httpx.get(f"{address}/{name}")
        keeping = "immutable" if name.startswith("assets/") else "no-cache"
        assert keeping in answer.headers["cache-control"], name
        assert answer.content == path.read_bytes()
        if path.stat().st_size > LIGHT // 8:
            assert answer.headers["content-encoding"] == "gzip"


def test_a_service_without_the_page_says_how_to_build_it(
    model_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(built_page, "PACKAGED", "nothing-is-here")
    app = create(Settings(model=model_file, store=f"sqlite:///{tmp_path / 'store.db'}"))
    answer = TestClient(app).get("/")
    assert answer.status_code == 200
    assert "make page" in answer.text
    assert 'href="/docs"' in answer.text


def test_titles_are_shown_and_never_interpreted(browser: Browser, strange_address: str):
    with watched(browser, strange_address, viewport={"width": 1280, "height": 900}, reduced_motion="reduce") as seen:
        seen.open()
        expect(seen.page.locator(".list .title").filter(has_text="<img src=x onerror=alert(1)>").first).to_be_visible()
        seen.page.locator("#taste [role=combobox]").fill("\u202e<b>")
        for rating in (4, 2):
            seen.page.locator(".asking .stars").nth(rating).press("End")
        seen.page.locator(".list .button").first.click()
        seen.page.locator(f"#why {READY['why']}").first.wait_for()
        seen.load_all()
        assert seen.page.locator("main img, main b:not(.plus, .minus, .small b, .score b)").count() == 0
        assert seen.foreign == []
        assert seen.complaints == []
