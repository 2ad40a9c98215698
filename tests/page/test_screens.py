"""Every screen in a real browser: by mouse, by keyboard alone, narrow and wide, light and dark."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from _driving import SCREENS, Watched, watched
from playwright.sync_api import Browser, Page, expect

NARROW, WIDE, WIDEST = {"width": 360, "height": 780}, {"width": 1280, "height": 900}, {"width": 1920, "height": 1080}
SIZES = pytest.mark.parametrize("size", [NARROW, WIDE], ids=["360", "1280"])
SCHEMES = ("light", "dark")
RATED = "?r=260*4.5&r=1196*5&r=589*4&r=1265*2"
TABS = 400  # presses before giving up


def assert_nothing_wrong(seen: Watched) -> None:
    assert seen.foreign == []
    assert seen.complaints == []
    assert seen.overflow() <= 0


def tab_to(seen: Watched, selector: str, key: str = "Tab") -> None:
    """Press Tab until something that fits the selector has the focus, and can be seen to have it."""
    for _ in range(TABS):
        seen.page.keyboard.press(key)
        if seen.page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"{selector} cannot be reached by {key}")


def rate_and_search_by_mouse(page: Page) -> None:
    before = page.locator(".list .title").all_inner_texts()
    page.locator(".examples button").first.click()
    expect(page.locator(".yours li")).to_have_count(6)
    expect(page.locator(".list .reason b").first).to_be_visible()
    assert page.locator(".list .title").all_inner_texts() != before
    unrated = page.locator(".asking .stars[aria-valuetext='not rated']").first
    stars = page.get_by_role("slider", name=unrated.get_attribute("aria-label"), exact=True)
    stars.click(position={"x": stars.bounding_box()["width"] * 0.69, "y": 10})
    expect(page.locator(".yours li")).to_have_count(7)
    expect(stars).to_have_attribute("aria-valuenow", "3.5")
    page.locator(".asking button").nth(1).click()
    expect(page.get_by_text("1 not seen")).to_be_visible()
    page.get_by_label("Find a film").fill("godfather 1972")
    page.get_by_role("option").first.click()
    expect(page.locator(".asking .title").first).to_contain_text("Godfather")


def drive_units_and_chains_by_mouse(page: Page) -> None:
    page.locator("#units .vessel").nth(5).click()
    expect(page.locator("#units")).to_contain_text("unit 5 of 16")
    page.get_by_label("Your name for it").fill("night & <b>fog</b>")
    expect(page.locator("#units h4").first).to_contain_text("Rising")  # the unit is held on from the start
    page.get_by_role("button", name="Hold off").click()
    expect(page.locator("#units .card").last).to_contain_text("night & <b>fog</b> is held off")

    page.locator("#energy .pixel").nth(4).click()
    page.locator("#energy").get_by_role("button", name="One sweep").click()
    expect(page.locator("#energy")).to_contain_text("sampled in 1 sweep")

    page.locator("#gibbs .knob").first.click()
    page.locator("#gibbs figure").get_by_role("button", name="Toss the hidden units").click()
    page.locator("#gibbs figure").get_by_role("button", name="Toss the pixels").click()
    expect(page.locator("#gibbs")).to_contain_text("2 tossed")

    films = page.locator("#gibbs .film-chain > li")
    page.get_by_role("button", name="200 half-steps").click()
    expect(page.locator("#gibbs .card").last.locator("header")).to_contain_text("200 half-steps")
    expect(films.first.locator(".old").first).to_be_attached()
    films.first.get_by_role("button").click()
    expect(films.first.get_by_role("button")).to_have_attribute("aria-pressed", "true")


def learn_by_mouse(page: Page) -> None:
    learning = page.locator("#learning")
    learning.get_by_role("button", name="First beat").click()
    for beat in (2, 3, 4):
        learning.get_by_role("button", name="Next beat").click()
        expect(learning).to_contain_text(f"Beat {beat}")
    expect(learning).to_contain_text("1 update")
    page.locator("#machine").get_by_role("button", name="One turn").click()
    expect(page.locator("#machine")).to_contain_text("After 1 turn")
    expect(page.locator("#model .scores")).to_contain_text("±")
    learning.evaluate("section => section.scrollIntoView({behavior: 'instant'})")
    expect(learning.locator(".series.e path")).to_have_count(2)


@SIZES
def test_every_screen_works_by_mouse_and_is_accessible_in_light_and_dark(browser: Browser, address: str, size: dict):
    with watched(browser, address, viewport=size, color_scheme="light", reduced_motion="reduce") as seen:
        page = seen.page
        seen.open()
        rate_and_search_by_mouse(page)
        page.locator(".list .button").nth(1).click()
        seen.wait("why")
        expect(page.locator("#why .ties .unit").first).to_be_visible()

        seen.load_all()
        drive_units_and_chains_by_mouse(page)
        learn_by_mouse(page)
        page.evaluate("scrollTo({top: 0, behavior: 'instant'})")
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            expect(page.locator("html")).to_have_attribute("data-theme", scheme)
            assert seen.faults_of_access() == []
            seen.picture(f"{size['width']}-{scheme}")
        assert_nothing_wrong(seen)


def rate_and_search_by_keyboard(seen: Watched) -> None:
    page, press = seen.page, seen.page.keyboard.press
    tab_to(seen, "#taste [role=combobox]")
    page.keyboard.type("toy story 1995")
    expect(page.get_by_role("option").first).to_contain_text("Toy Story")
    press("Enter")
    expect(page.locator(".asking .stars").first).to_be_focused()
    press("End")
    press("ArrowLeft")
    expect(page.locator(".yours li")).to_contain_text(["4.5"])
    tab_to(seen, ".asking li:nth-child(2) .stars")
    press("3")
    expect(page.locator(".yours li")).to_have_count(2)
    press("Delete")
    expect(page.locator(".yours li")).to_have_count(1)
    tab_to(seen, ".asking li:nth-child(3) button")
    press("Enter")
    expect(page.get_by_text("1 not seen")).to_be_visible()
    expect(page.locator(".asking .stars").nth(2)).to_be_focused()


def drive_units_and_chains_by_keyboard(seen: Watched) -> None:
    page, press = seen.page, seen.page.keyboard.press
    tab_to(seen, "#units button[aria-label='The next unit']")
    press("Enter")
    expect(page.locator("#units")).to_contain_text("unit 2 of 16")
    tab_to(seen, "#units [aria-pressed]:not(.vessel)")
    press(" ")
    expect(page.locator("#units")).to_contain_text("Nothing is held")
    press(" ")
    expect(page.locator("#units h4").first).to_contain_text("Rising")
    tab_to(seen, "#energy .pixel")
    press(" ")
    tab_to(seen, "#energy input[type=range]")
    press("ArrowRight")
    expect(page.locator("#energy output")).to_have_text("1.1")
    tab_to(seen, "#gibbs .knob")
    press("Enter")
    expect(page.locator("#gibbs .knob").first).to_have_attribute("aria-label", "Pixel 1, on, held")
    tab_to(seen, "#gibbs .card button:nth-child(2)")
    press("Enter")
    expect(page.locator("#gibbs")).to_contain_text("1 tossed")
    tab_to(seen, "#gibbs .compared button.primary")
    press("Enter")
    expect(page.locator("#gibbs .compared header")).to_contain_text("1 half-step")


def learn_by_keyboard(seen: Watched) -> None:
    page, press = seen.page, seen.page.keyboard.press
    tab_to(seen, "#learning input[type=radio]")
    press("ArrowRight")
    expect(page.locator("#learning input:checked + span").first).to_have_text("CD-10")
    tab_to(seen, "#learning button.primary:enabled")
    press("Enter")
    expect(page.locator("#learning .beat")).to_contain_text("Beat 1")
    tab_to(seen, "#machine button:nth-child(2)")
    press("Enter")
    expect(page.locator("#machine")).to_contain_text("After 1 turn")
    tab_to(seen, "#model input[type=radio]")
    press("ArrowRight")
    tab_to(seen, "#model .copies summary")
    press("Enter")
    expect(page.locator("#model .copies pre").first).to_be_visible()


@SIZES
def test_every_screen_works_by_keyboard_alone(browser: Browser, address: str, size: dict):
    with watched(browser, address, viewport=size, color_scheme="light", reduced_motion="reduce") as seen:
        page, press = seen.page, seen.page.keyboard.press
        seen.open()
        tab_to(seen, ".skip")
        press("Enter")
        rate_and_search_by_keyboard(seen)
        tab_to(seen, "#taste .vessel")
        press("ArrowRight")
        press("Enter")
        seen.wait("units")
        expect(page.locator("#units")).to_contain_text("unit 1 of 16")
        seen.load_all()

        drive_units_and_chains_by_keyboard(seen)
        learn_by_keyboard(seen)
        tab_to(seen, ".theme-switch", "Shift+Tab")
        press("Enter")
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        assert_nothing_wrong(seen)


def test_the_address_brings_the_same_view_back(browser: Browser, address: str):
    with watched(browser, address, viewport=WIDE, reduced_motion="reduce") as seen:
        page = seen.page
        seen.open(RATED)
        expect(page.locator(".yours li")).to_have_count(4)
        page.locator(".list .button").nth(2).click()
        seen.wait("why")
        seen.load_all()
        page.get_by_label("Your name for it").fill("Öde & weiß*")
        page.locator("#gibbs .knob").nth(2).click()
        page.locator("#energy .pixel").first.click()
        page.locator("#machine").get_by_role("radio", name="sweeps", exact=True).check()
        page.locator("#model").get_by_role("radio", name="MAE", exact=True).check()
        page.locator("#model").get_by_role("radio", name="nats", exact=True).check()
        page.locator("#why").get_by_role("radio", name="liking it", exact=True).check()
        page.locator("#taste").get_by_role("radio", name="liked", exact=True).check()
        page.locator("#learning").get_by_role("button", name="Learn 20 updates").click()
        expect(page.locator("#learning .score")).to_contain_text("20 updates")
        expect(page).to_have_url(re.compile("updates=20"))
        views = (
            ".list", "#why .contributions", "#units .unit-head", "#learning .score", "#gibbs .frequencies",
            "#energy .pixel-box p", "#machine .compared:last-of-type .axis-title", "#model .scores",
            "#model .axis-title",
        )  # fmt: skip
        shown = [page.locator(part).first.inner_text() for part in views]
        name = page.get_by_label("Your name for it").input_value()
        page.reload()
        seen.load_all()
        expect(page.locator("#learning .score")).to_contain_text("20 updates")
        expect(page.get_by_label("Your name for it")).to_have_value(name)
        for part, text in zip(views, shown):
            expect(page.locator(part).first).to_have_text(text, use_inner_text=True)
        assert_nothing_wrong(seen)


def test_a_list_says_what_ranks_it_and_can_be_ranked_by_liking_alone(browser: Browser, address: str):
    with watched(browser, address, viewport=WIDE, reduced_motion="reduce") as seen:
        page = seen.page
        seen.open(RATED)
        expect(page.locator(".list li").first.locator(".chance")).to_have_count(2)
        expect(page.locator(".listed .note")).to_contain_text("among the next you choose")
        titles = page.locator(".list .title")
        joint = titles.all_inner_texts()
        history = [{"item": item, "rating": stars} for item, stars in ((260, 4.5), (1196, 5), (589, 4), (1265, 2))]
        answer = page.request.post(f"{address}/api/v1/recommend", data={"history": history})
        places = answer.json()["recommendations"]
        values = [float(text.rstrip("%\u00a0")) for text in page.locator(".list .chance .value").all_inner_texts()]
        assert values[::2] == pytest.approx([100 * place["probability_of_liking"] for place in places], abs=0.5)
        assert values[1::2] == pytest.approx([100 * place["probability_of_choice"] for place in places], abs=0.5)
        page.locator("#taste").get_by_role("radio", name="liked", exact=True).check()
        expect(page.locator(".list li").first.locator(".chance")).to_have_count(1)
        expect(page.locator(".listed .note")).to_contain_text("whether or not you would ever choose it")
        assert titles.all_inner_texts() != joint
        expect(page).to_have_url(re.compile("rank=liking"))
        page.locator("#taste .copies summary").click()
        expect(page.locator("#taste .copies pre").first).to_contain_text('"rank_by":"liking"')
        expect(page.locator("#taste .copies pre").nth(1)).to_contain_text('rank_by="liking"')
        assert_nothing_wrong(seen)


def test_a_reader_who_only_scrolls_sees_reasons_a_dream_and_measurements(browser: Browser, address: str):
    with watched(browser, address, viewport=WIDE, reduced_motion="reduce") as seen:
        page = seen.page
        seen.open()
        seen.load_all()
        expect(page.locator("#why .standing-in")).to_contain_text("somebody made up")
        expect(page.locator("#why .contributions .signed-bar").first).to_be_attached()
        expect(page.locator("#why .ties .tie").first).to_be_attached()
        expect(page.locator("#units h4").first).to_contain_text("Rising")
        expect(page.locator("#gibbs .film-chain .old").first).to_be_attached()
        expect(page.locator("#learning .series.e path")).to_have_count(2)
        expect(page.locator("#machine").get_by_text("integrated autocorrelation time")).to_contain_text(
            "After 40,000 turns"
        )
        assert_nothing_wrong(seen)


def test_a_view_copied_as_curl_gives_what_the_page_shows(browser: Browser, address: str):
    with watched(browser, address, viewport=WIDE, reduced_motion="reduce") as seen:
        page = seen.page
        seen.open(RATED)
        expect(page.locator(".list .reason b").first).to_be_visible()
        page.locator("#taste .copies summary").click()
        page.locator("#taste").get_by_role("button", name="Copy as curl").click()
        command = page.evaluate("navigator.clipboard.readText()")
        said = json.loads(subprocess.run(["sh", "-c", command], capture_output=True, check=True).stdout)
        first = said["recommendations"][0]
        expect(page.locator(".list .star-value").first).to_contain_text(f"{first['rating']:.1f}")
        assert "Recommender.load" in page.locator("#taste .copies pre").nth(1).inner_text()


def test_every_copied_command_and_program_runs(browser: Browser, address: str, model_file: Path):
    with watched(browser, address, viewport=WIDE, reduced_motion="reduce") as seen:
        seen.open(f"{RATED}&rule=pcd")
        seen.load_all()
        boxes = seen.page.locator(".copies")
        assert boxes.count() == len(SCREENS) + 1  # Gibbs has two machines
        for box in boxes.all():
            curl, program = (box.locator("pre").nth(k).evaluate("pre => pre.textContent") for k in (0, 1))
            said = subprocess.run(["sh", "-c", curl], capture_output=True, check=True).stdout
            assert "type" not in json.loads(said), said  # it is no problem document
            if "Recommender.fit" not in program:  # the model's own is learned anew, which takes a while
                subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, cwd=model_file.parent)


def test_held_films_come_back_with_the_address(browser: Browser, address: str):
    with watched(browser, address, viewport=WIDE, reduced_motion="reduce") as seen:
        films = seen.page.locator("#gibbs .film-chain > li")
        seen.open(RATED, "gibbs")
        seen.page.get_by_role("button", name="200 half-steps").click()
        expect(seen.page.locator("#gibbs .compared header")).to_contain_text("200 half-steps")
        expect(films.nth(1).get_by_role("button")).to_be_enabled()
        films.nth(1).get_by_role("button").click()
        expect(seen.page).to_have_url(re.compile("hold="))
        held = films.nth(1).locator(".title").inner_text()
        seen.page.reload()
        seen.wait("gibbs")
        expect(films.first.get_by_role("button")).to_have_attribute("aria-pressed", "true")
        expect(films.first.locator(".title")).to_have_text(held, use_inner_text=True)
        assert_nothing_wrong(seen)


def test_a_click_on_a_star_asks_the_service_once(browser: Browser, address: str):
    with watched(browser, address, viewport=WIDE, reduced_motion="reduce") as seen:
        seen.open(RATED)
        expect(seen.page.locator("#taste .vessel")).to_have_count(16)
        seen.page.wait_for_load_state("networkidle")  # what the next screen asks for as it comes near
        asked: list[str] = []
        seen.page.on("request", lambda request: asked.append(request.url))
        stars = seen.page.locator(".asking .stars").first
        before = seen.page.locator("#taste .vessel").first.get_attribute("aria-label")
        stars.click(position={"x": stars.bounding_box()["width"] * 0.1, "y": 10})
        expect(seen.page.locator("#taste .vessel").first).not_to_have_attribute("aria-label", before)
        assert [url.rsplit("/", 1)[1] for url in asked] == ["recommend"]


@pytest.mark.parametrize("size", [NARROW, WIDE], ids=["360", "1280"])
def test_a_model_of_choices_shows_what_makes_sense_and_says_what_is_left_out(
    browser: Browser, choices_address: str, size: dict
):
    with watched(browser, choices_address, viewport=size, color_scheme="light", reduced_motion="reduce") as seen:
        page = seen.page
        seen.open()
        expect(page.locator("#taste .lead")).to_contain_text("predicts no ratings")
        page.locator(".asking .liked").first.click()
        expect(page.locator(".yours li")).to_have_count(1)
        expect(page.locator(".list .reason").first).to_contain_text("because you like")
        page.locator(".list .button").first.click()
        expect(page.locator("#why .contributions")).to_contain_text("Its score now")
        page.mouse.wheel(0, 10)  # the page no longer holds on to the screen that was asked for
        for screen in SCREENS:
            page.locator(f"#{screen}").evaluate("section => section.scrollIntoView({behavior: 'instant'})")
            expect(page.locator(f"#{screen} .lead").first).to_be_visible()
        expect(page.locator("#units .lead")).to_contain_text("without hidden units")
        expect(page.locator("#model .facts")).to_contain_text("GaussianBoltzmann")
        for screen, shown in (("learning", ".surprise .ridge"), ("machine", ".network")):
            page.locator(f"#{screen}").evaluate("section => section.scrollIntoView({behavior: 'instant'})")
            expect(page.locator(f"#{screen} {shown}").first).to_be_visible()
        assert seen.faults_of_access() == []
        assert_nothing_wrong(seen)


def test_the_widest_screens_are_filled_and_nothing_overflows(browser: Browser, address: str):
    with watched(browser, address, viewport=WIDEST, color_scheme="light", reduced_motion="reduce") as seen:
        seen.open(RATED)
        seen.load_all()
        assert seen.page.locator("#taste").evaluate("section => section.clientWidth") > 1400
        assert seen.faults_of_access() == []
        seen.picture("1920-light")
        assert_nothing_wrong(seen)


def test_nothing_moves_by_itself_for_those_who_ask_for_stillness(browser: Browser, address: str):
    with watched(browser, address, viewport=WIDE, reduced_motion="reduce") as seen:
        for screen in ("energy", "gibbs", "machine"):
            seen.page.goto("about:blank")
            seen.open("", screen)
            seen.page.wait_for_timeout(300)
            assert seen.page.locator(f"#{screen} button.primary").first.inner_text() in ("Roll", "Run", "Run both")
        assert seen.page.evaluate("document.getAnimations().length") == 0


def test_the_chains_run_by_themselves_where_motion_is_welcome(browser: Browser, address: str):
    with watched(browser, address, viewport=WIDE, reduced_motion="no-preference") as seen:
        seen.open("?speed=5", "gibbs")
        expect(seen.page.locator("#gibbs .card header .soft").first).to_have_text(re.compile(r"\d,\d{3} tossed"))
        assert_nothing_wrong(seen)


def test_every_screen_can_be_linked_to(browser: Browser, address: str):
    with watched(browser, address, viewport=WIDE, reduced_motion="reduce") as seen:
        for screen in SCREENS:
            seen.page.goto("about:blank")
            seen.open("", screen)
            expect(seen.page.locator(f"#{screen} h2")).to_be_in_viewport()
            expect(seen.page.locator(f".bar [href='#{screen}']")).to_have_attribute("aria-current", "true")


def test_a_service_that_stops_is_said_in_words(browser: Browser, address: str):
    with watched(browser, address, viewport=WIDE, reduced_motion="reduce") as seen:
        seen.open(RATED)
        expect(seen.page.locator(".examples button").first).to_be_visible()
        seen.page.context.unroute_all()
        seen.page.context.route("**/api/**", lambda route: route.abort())
        seen.page.locator(".examples button").first.click()
        expect(seen.page.locator("#taste .problem").first).to_contain_text("is it still running")
