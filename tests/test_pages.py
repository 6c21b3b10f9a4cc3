"""Every page of listening and composing, as Alice sees it and as strangers don't."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import Account
from composer.models import Commission, Piece
from recsys import preferences
from recsys.feedback import NewFeedback, record
from recsys.models import CatalogueImport, Preferences, Recommendation, Track
from recsys.pages import reason_in_words
from recsys.standing import current
from tests.conftest import unsaved_track
from training.models import PolicyVersion, Promotion, Run
from training.promotion import promote

HOSTILE = "<script>alert('x')</script>\" onload=\"x"

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(client: Client, alice: Account) -> Client:
    """Alice's browser, after the first visit."""
    client.force_login(alice)
    preferences.declare(alice.listener, styles=["reel"])
    return client


@pytest.fixture
def bobs_browser(bob: Account) -> Client:
    """Bob's browser, after the first visit."""
    client = Client()
    client.force_login(bob)
    preferences.declare(bob.listener, styles=[])
    return client


@pytest.fixture
def piece(alice: Account, alices_piece: Track) -> Piece:
    """A composed piece of Alice's."""
    version = PolicyVersion.objects.create(slot="composer", kind="prior")
    return Piece.objects.create(track=alices_piece, policy_version=version, recipe={"seed": 7, "steering": {"style": "reel"}})


def say(account: Account, track: Track, kind: str, value: float | None = None) -> UUID:
    """One signal, received now."""
    row = NewFeedback(client_id=uuid4(), track_id=track.pk, kind=kind, occurred_at=datetime.now(UTC), value=value)
    assert record(account.listener, [row])[0].status == "stored"
    return row.client_id


def words_of(response: object) -> str:
    return response.content.decode()  # type: ignore[attr-defined, no-any-return]


def test_a_stranger_is_welcomed_and_asked_to_sign_up(client: Client) -> None:
    answer = client.get("/")

    assert answer.status_code == 200
    assert reverse("account_signup") in words_of(answer)


@pytest.mark.parametrize("address", ["/browse/", "/history/", "/compose/", "/pieces/", "/welcome/", "/tracks/1/", "/settings/"])
def test_other_pages_ask_a_stranger_to_sign_in(client: Client, address: str) -> None:
    answer = client.get(address)

    assert answer.status_code == 302
    assert answer.headers["Location"].startswith(reverse("account_login"))


def test_the_first_visit_asks_for_styles(client: Client, alice: Account, tracks: list[Track]) -> None:
    client.force_login(alice)

    assert client.get("/").headers["Location"] == "/welcome/"
    client.post("/welcome/", {"styles": ["reel", "no such style"]})

    assert preferences.preferences_as_of(alice.listener).styles == ["reel"]
    assert client.get("/").status_code == 200


def test_the_question_for_styles_can_be_skipped_once_and_for_all(client: Client, alice: Account, tracks: list[Track]) -> None:
    client.force_login(alice)

    client.post("/welcome/", {"skip": "1"})

    assert client.get("/").status_code == 200
    assert preferences.preferences_as_of(alice.listener).styles == []


def test_skipping_later_keeps_what_was_declared(browser: Client, alice: Account, tracks: list[Track]) -> None:
    browser.post("/welcome/", {"skip": "1"})

    assert preferences.preferences_as_of(alice.listener).styles == ["reel"]


def test_dials_outside_their_bounds_are_refused_by_name(browser: Client, alice: Account, tracks: list[Track]) -> None:
    answer = browser.post("/welcome/", {"recently_heard": "5000"})

    assert answer.status_code == 422
    assert "recently_heard: it must lie between 0 and 1000" in words_of(answer)
    assert browser.post("/dial/", {"diversity": "2"}).status_code == 400
    assert browser.post("/dial/", {"diversity": "much"}).status_code == 400


def test_home_shows_a_logged_slate_with_reasons(browser: Client, tracks: list[Track]) -> None:
    page = words_of(browser.get("/"))

    slate = Recommendation.objects.get()
    assert slate.context["surface"] == "home"
    for position, pk in enumerate(slate.tracks):
        assert f'data-track="{pk}"' in page
        assert f'data-recommendation="{slate.pk}" data-position="{position}"' in page
    assert 'class="card-reason"' in page


def test_home_keeps_its_slate_until_something_happens(browser: Client, alice: Account, tracks: list[Track]) -> None:
    browser.get("/")
    browser.get("/")
    assert Recommendation.objects.count() == 1

    say(alice, tracks[0], "like")
    browser.get("/")
    assert Recommendation.objects.count() == 2

    browser.get("/?fresh=1")
    assert Recommendation.objects.count() == 3


def test_home_changes_with_the_dial_and_with_the_champion(browser: Client, alice: Account, tracks: list[Track]) -> None:
    browser.get("/")

    browser.post("/dial/", {"diversity": "0.9"})
    browser.get("/")

    assert Recommendation.objects.order_by("-pk")[0].dials["diversity"] == 0.9


def test_a_disliked_track_is_gone_from_home(browser: Client, alice: Account, tracks: list[Track]) -> None:
    browser.get("/")
    unwanted = Track.objects.get(pk=Recommendation.objects.get().tracks[0])

    say(alice, unwanted, "dislike")

    assert f'data-track="{unwanted.pk}"' not in words_of(browser.get("/"))


def test_the_banner_says_how_far_music_and_lessons_are_and_logs_nothing(browser: Client) -> None:
    CatalogueImport.objects.create(collection="bach", total=400, done=100)
    CatalogueImport.objects.create(collection="airdsAirs", total=200, done=200, finished_at=timezone.now())
    Run.objects.create(slot="composer", trigger="start", status="running", progress=0.4)

    page = words_of(browser.get("/progress/"))

    assert "300 of 600 tunes so far" in page
    assert "Encore is learning the music:</b> 40 %" in page
    assert Recommendation.objects.count() == 0


def test_later_lessons_of_the_start_do_not_say_that_no_piece_can_be_made_yet(browser: Client) -> None:
    prior = PolicyVersion.objects.create(slot="composer", kind="prior")
    promote("composer", prior, Promotion.Kind.FIRST, by=None, reason="The first lesson is over.")
    Run.objects.create(slot="composer", trigger="start", status="running")

    assert "learning more about the music; pieces can be made meanwhile:</b> 0 %" in words_of(browser.get("/progress/"))


def test_the_banner_stops_asking_when_there_is_nothing_to_tell(browser: Client) -> None:
    assert "hx-get" not in words_of(browser.get("/progress/"))


def test_an_empty_catalogue_is_said_and_is_no_error(browser: Client) -> None:
    assert "on its way" in words_of(browser.get("/"))
    assert browser.get("/browse/").status_code == 200
    assert browser.get("/welcome/").status_code == 200


def test_radio_gives_one_track_and_logs_it(browser: Client, tracks: list[Track]) -> None:
    page = words_of(browser.post("/radio/"))

    slate = Recommendation.objects.get()
    assert slate.context["surface"] == "radio"
    assert f'data-track="{slate.tracks[0]}"' in page


def test_browsing_filters_counts_and_sorts(browser: Client, tracks: list[Track]) -> None:
    page = words_of(browser.get("/browse/", {"style": "jig", "sort": "newest"}))

    assert "3 tunes" in page
    assert page.count('class="row"') == 3
    assert "Reel number" not in page


def test_browsing_pages_without_losing_or_repeating_a_track(browser: Client, make_tracks: Callable[[int], list[Track]]) -> None:
    everything = {track.pk for track in make_tracks(70)}
    for sort in ("title", "newest", "fastest", "shortest"):
        seen: list[int] = []
        address = f"/browse/?sort={sort}"
        while address:
            answer = browser.get(address)
            seen += [listed.track.pk for listed in answer.context["listed"]]
            following = answer.context["next_url"]
            address = f"/browse/{following}" if following else ""
        assert len(seen) == 70, sort
        assert set(seen) == everything, sort


def test_the_next_page_comes_as_rows_alone(browser: Client, make_tracks: Callable[[int], list[Track]]) -> None:
    make_tracks(40)
    following = browser.get("/browse/").context["next_url"]

    rows = words_of(browser.get(f"/browse/{following}", HTTP_HX_REQUEST="true", HTTP_HX_TARGET="more"))

    assert "<html" not in rows
    assert rows.count('class="row"') == 10


@pytest.mark.parametrize("cursor", ["x", "bm9uc2Vuc2U", "WzFd", "WyJuZXdlc3QiLCAxLCAxXQ", "WyJ0aXRsZSIsIDEsIDFd"])
def test_a_broken_cursor_is_refused_with_a_page(browser: Client, tracks: list[Track], cursor: str) -> None:
    answer = browser.get("/browse/", {"cursor": cursor})

    assert answer.status_code == 400
    assert "cursor" in words_of(answer)


def test_a_search_without_result_says_so(browser: Client, tracks: list[Track]) -> None:
    page = words_of(browser.get("/browse/", {"q": "<b>zebra"}))

    assert "No tune fits" in page
    assert "&lt;b&gt;zebra" in page


def test_a_search_with_odd_characters_finds_nothing_and_breaks_nothing(browser: Client, tracks: list[Track]) -> None:
    for text in ("\0", "%", "_", "'; DROP TABLE", "x" * 5000, "\\"):
        assert browser.get("/browse/", {"q": text, "style": text}).status_code == 200


@pytest.mark.parametrize("address", ["/", "/browse/", "/history/"])
def test_a_hostile_title_is_only_text(browser: Client, alice: Account, tracks: list[Track], address: str) -> None:
    Track.objects.update(title=HOSTILE, artist=HOSTILE)
    say(alice, tracks[0], "play", 3.0)

    page = words_of(browser.get(address))

    assert "<script>alert" not in page
    assert '" onload="' not in page
    assert "&lt;script&gt;alert" in page


def test_a_hostile_title_is_only_text_on_its_own_page(browser: Client, track: Track) -> None:
    Track.objects.update(title=HOSTILE, licence=HOSTILE, source=HOSTILE)

    page = words_of(browser.get(f"/tracks/{track.pk}/"))

    assert "<script>alert" not in page
    assert '" onload="' not in page


def test_a_track_page_shows_facts_opinions_and_exports(browser: Client, alice: Account, track: Track) -> None:
    say(alice, track, "rate", 4)
    say(alice, track, "like")
    say(alice, track, "play", 12.0)

    page = words_of(browser.get(f"/tracks/{track.pk}/"))

    assert "D major" in page
    assert "1 time" in page
    assert 'data-rating="4"' in page
    assert 'data-liked="true"' in page
    for form in ("midi", "musicxml", "abc", "score.svg", "audio.mp3", "audio.opus"):
        assert f"/api/v1/tracks/{track.pk}/{form}" in page


def test_somebody_elses_private_piece_does_not_exist(bobs_browser: Client, piece: Piece, tracks: list[Track]) -> None:
    pk = piece.track_id

    assert bobs_browser.get(f"/tracks/{pk}/").status_code == 404
    assert bobs_browser.get("/compose/", {"from": pk}).status_code == 404
    assert bobs_browser.post(f"/pieces/{pk}/share/", {"is_shared": "on"}).status_code == 404
    assert "Alice&#x27;s own" not in words_of(bobs_browser.get("/browse/", {"q": "own"}))


def test_a_shared_piece_can_be_seen_but_not_its_recipe(browser: Client, bobs_browser: Client, piece: Piece) -> None:
    browser.post(f"/pieces/{piece.track_id}/share/", {"is_shared": "on"})

    page = bobs_browser.get(f"/tracks/{piece.track_id}/")

    assert page.status_code == 200
    assert page.context["recipe"] == ""
    assert "recipe.json" not in page.content.decode()
    browser.post(f"/pieces/{piece.track_id}/share/")
    assert bobs_browser.get(f"/tracks/{piece.track_id}/").status_code == 404


def test_ones_own_piece_shows_its_recipe_and_offers_a_variation(browser: Client, piece: Piece) -> None:
    page = words_of(browser.get(f"/tracks/{piece.track_id}/"))

    assert "&quot;seed&quot;: 7" in page
    assert f"/compose/?from={piece.track_id}" in page


def test_a_missing_track_is_a_page_that_helps(browser: Client) -> None:
    answer = browser.get("/tracks/999999/")

    assert answer.status_code == 404
    assert "Back to the music" in words_of(answer)


def test_history_shows_what_stands(browser: Client, alice: Account, tracks: list[Track]) -> None:
    heard, liked, unliked, rated = tracks[:4]
    say(alice, heard, "play", 9.0)
    say(alice, liked, "like")
    say(alice, unliked, "like")
    say(alice, unliked, "unlike")
    say(alice, rated, "rate", 2)
    say(alice, rated, "rate", 5)

    def titles(show: str) -> list[str]:
        return [entry["listed"].track.title for entry in browser.get("/history/", {"show": show}).context["entries"]]

    assert titles("plays") == [heard.title]
    assert titles("liked") == [liked.title]
    assert titles("rated") == [rated.title]
    assert current(alice.listener).ratings[rated.pk] == 5
    assert browser.get("/history/", {"show": "secrets"}).status_code == 404


def test_a_dislike_and_a_ban_can_be_taken_back_in_the_history(browser: Client, alice: Account, tracks: list[Track]) -> None:
    say(alice, tracks[0], "dislike")
    say(alice, tracks[1], "ban")

    for show, opinion, track in (("disliked", "dislike", tracks[0]), ("banned", "ban", tracks[1])):
        page = words_of(browser.get("/history/", {"show": show}))
        assert page.count(f'data-opinion="{opinion}" aria-pressed="true"') == 1
        assert f'{track.title}"' in page
    assert 'data-opinion="ban"' not in words_of(browser.get("/history/", {"show": "disliked"}))


def test_an_empty_history_says_what_will_stand_there(browser: Client, track: Track) -> None:
    assert "until you lift the ban" in words_of(browser.get("/history/", {"show": "banned"}))
    assert "No title fits" in words_of(browser.get("/history/", {"show": "banned", "q": "x"}))


def test_another_text_is_no_cursor_of_a_history(browser: Client, track: Track) -> None:
    assert browser.get("/history/", {"older": "x"}).status_code == 400
    assert browser.get("/history/", {"newer": "x"}).status_code == 400


def test_history_is_ones_own(bobs_browser: Client, alice: Account, track: Track) -> None:
    say(alice, track, "play", 9.0)

    assert bobs_browser.get("/history/").context["entries"] == []


def test_the_compose_form_knows_metre_and_tempo_of_every_style(browser: Client, tracks: list[Track]) -> None:
    unsaved_track(90, style="german folk").save()

    page = words_of(browser.get("/compose/"))

    assert '<option value="reel" selected data-metre="4/4" data-tempo="200">' in page
    assert '<option value="german folk" data-metre="4/4" data-tempo="120">' in page
    assert 'value="200"' in page


def test_composing_waits_until_there_is_a_composer(browser: Client, tracks: list[Track]) -> None:
    assert "has not learned the music yet" in words_of(browser.get("/compose/"))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("tempo", "1000", "30 … 300"),
        ("bars", "65", "1 … 64"),
        ("bars", "many", "whole number"),
        ("bars", "--5", "whole number"),
        ("tonic", "9" * 5000, "whole number"),
        ("metre", "99/3", "metre"),
        ("style", "no such style", "style"),
        ("seed", "x", "whole number"),
    ],
)
def test_an_impossible_wish_names_field_and_bound(
    browser: Client, tracks: list[Track], field: str, value: str, message: str
) -> None:
    answer = browser.post("/compose/", {"style": "reel", field: value})

    assert answer.status_code == 422
    assert {"tonic": "Key"}.get(field, field.capitalize()) in words_of(answer)
    assert message.lower() in words_of(answer).lower()
    assert Commission.objects.count() == 0


def test_a_wish_sent_twice_is_one_commission(browser: Client, alice: Account, tracks: list[Track]) -> None:
    wish = {"style": "reel", "tonic": "7", "mode": "major", "metre": "4/4", "bars": "8", "tempo": "120", "id": str(uuid4())}

    first = browser.post("/compose/", wish)
    second = browser.post("/compose/", wish)

    assert first.headers["Location"] == second.headers["Location"]
    made = Commission.objects.get()
    assert made.steering["tonic"] == 7
    assert "Composing" in words_of(browser.get(first.headers["Location"]))


def test_progress_comes_alone_until_the_piece_is_there(browser: Client, alice: Account, piece: Piece) -> None:
    made = Commission.objects.create(listener=alice.listener, steering={}, seed=1, status="composing", progress=0.25)
    address = f"/commissions/{made.pk}/"

    waiting = browser.get(address, HTTP_HX_TARGET="commission-progress")
    assert "25 %" in words_of(waiting)
    assert "<html" not in words_of(waiting)

    Commission.objects.filter(pk=made.pk).update(status="done", progress=1, piece=piece)
    done = browser.get(address, HTTP_HX_TARGET="commission-progress")
    assert done.headers["HX-Retarget"] == "#commission"
    assert "data-autoplay" in words_of(done)


def test_a_failed_commission_says_why(browser: Client, alice: Account) -> None:
    made = Commission.objects.create(listener=alice.listener, steering={}, seed=1, status="failed", error="No cadence fits.")

    assert "No cadence fits." in words_of(browser.get(f"/commissions/{made.pk}/"))
    assert "No cadence fits." in words_of(browser.get("/pieces/"))


def test_somebody_elses_commission_does_not_exist(bobs_browser: Client, alice: Account) -> None:
    made = Commission.objects.create(listener=alice.listener, steering={}, seed=1)

    assert bobs_browser.get(f"/commissions/{made.pk}/").status_code == 404


def test_my_pieces_lists_only_mine(browser: Client, bobs_browser: Client, piece: Piece) -> None:
    assert "Alice&#x27;s own" in words_of(browser.get("/pieces/"))
    assert "No pieces yet" in words_of(bobs_browser.get("/pieces/"))


def test_a_variation_starts_from_the_steering_of_its_parent(browser: Client, piece: Piece, tracks: list[Track]) -> None:
    answer = browser.get("/compose/", {"from": piece.track_id})

    assert answer.context["parent"] == piece
    assert answer.context["wish"]["style"] == "reel"


def test_only_staff_see_the_way_to_the_dashboard(browser: Client, olga: Account, tracks: list[Track]) -> None:
    assert reverse("admin:index") not in words_of(browser.get("/browse/"))

    browser.force_login(olga)
    assert reverse("admin:index") in words_of(browser.get("/browse/"))


@pytest.mark.parametrize(
    ("address", "bound"), [("/", 13), ("/browse/", 12), ("/history/", 9), ("/pieces/", 10), ("/compose/", 10), ("/welcome/", 8)]
)
def test_pages_ask_the_database_little_however_much_there_is(
    browser: Client,
    alice: Account,
    make_tracks: Callable[[int], list[Track]],
    django_assert_max_num_queries: DjangoAssertNumQueries,
    address: str,
    bound: int,
) -> None:
    many = make_tracks(60)
    for track in many[:20]:
        say(alice, track, "play", 5.0)
        say(alice, track, "like")
    browser.get("/")

    with django_assert_max_num_queries(bound):
        assert browser.get(address).status_code == 200


def test_a_track_page_asks_the_database_little(
    browser: Client, piece: Piece, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_max_num_queries(8):
        assert browser.get(f"/tracks/{piece.track_id}/").status_code == 200


def test_a_cover_is_drawn_from_any_melody() -> None:
    from recsys.listing import draw_cover

    silent = unsaved_track(1)
    silent.score["voices"][0]["melody"]["notes"] = [[None, "4"]]
    one = unsaved_track(2)
    one.score["voices"][0]["melody"]["notes"] = [[60, "400"]]

    assert draw_cover(silent) == ""
    assert draw_cover(one).startswith("M6.0 50.0h")


def test_preferences_are_versions(browser: Client, alice: Account, tracks: list[Track]) -> None:
    browser.post("/welcome/", {"styles": ["jig"], "diversity": "0.5", "recently_heard": "10"})

    assert Preferences.objects.filter(listener=alice.listener).count() == 2
    newest = preferences.preferences_as_of(alice.listener)
    assert (newest.styles, newest.diversity, newest.recently_heard) == (["jig"], 0.5, 10)


def test_a_style_brings_its_habits_to_the_wish(browser: Client, tracks: list[Track]) -> None:
    answer = browser.get("/compose/", {"style": "jig"})

    assert answer.context["metre"] == "6/8"
    assert answer.context["wish"]["tempo"] == 165.0
    assert browser.get("/compose/", {"style": HOSTILE}).status_code == 200


def test_beside_what_everybody_likes_a_card_names_the_listeners_own_cause(browser: Client, alice: Account) -> None:
    def reason(kind: str, text: str) -> dict[str, object]:
        return {"kind": kind, "text": text, "contribution": 0.5, "track": None, "style": None}

    shared, own = reason("popular", "popular with listeners"), reason("heard", "because you liked Mountain")
    silent = reason("heard", "")
    slate = Recommendation(listener=alice.listener, reasons=[[shared, silent, own], [own, shared], [shared, silent]])

    told = [reason_in_words(slate, position) for position in range(4)]

    assert told == [
        "Popular with listeners, and because you liked Mountain",
        "Because you liked Mountain",
        "Popular with listeners",
        "",
    ]
