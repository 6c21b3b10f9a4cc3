"""Blind pairs: the page and the API, what stays hidden until the answer, and what an answer does."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings
from rest_framework.test import APIClient

from accounts import privacy
from accounts.models import Account, Listener
from composer import pair_making, pairs
from composer.models import BlindPair, Piece, Side
from composer.tasks import put_back_lost
from music.notes import Score
from recsys.models import Choice, Feedback, Track
from recsys.taste import taste_of
from tests.conftest import MakeTracks, api_client
from training.models import PolicyVersion, Promotion, Slot, Verdict
from training.promotion import promote

pytestmark = pytest.mark.django_db
PAIRS = "/api/v1/pairs/"
Author = BlindPair.Author


@pytest.fixture
def composer(composer_version: PolicyVersion, make_tracks: MakeTracks) -> PolicyVersion:
    """A champion and a catalogue whose tunes have the eight bars."""
    make_tracks(24)
    return composer_version


def made(listener: Listener, first: str = Author.COMPOSER, second: str = Author.HUMAN, **fields: Any) -> BlindPair:
    """A ready pair of these authors."""
    fields.setdefault("champion", PolicyVersion.objects.filter(slot="composer", kind="prior").first())
    pair = BlindPair.objects.create(listener=listener, first_author=first, second_author=second, seed=5, **fields)
    pair_making.make_pair(pair.pk)
    pair.refresh_from_db()
    assert pair.status == "ready", pair.error
    return pair


def answer_of(said: str, **more: Any) -> dict[str, Any]:
    return {"client_id": str(uuid.uuid4()), "answer": said, **more}


def test_a_pair_is_composed_in_a_worker_and_then_there(as_alice: APIClient, composer: PolicyVersion) -> None:
    first = as_alice.post(PAIRS)
    assert first.status_code == 202
    assert (first.json()["status"], first.json()["sides"]) == ("queued", None)

    for pair in BlindPair.objects.all():
        pair_making.make_pair(pair.pk)
    ready = as_alice.post(PAIRS)

    assert ready.status_code == 200
    assert ready.json()["id"] == first.json()["id"]
    assert set(ready.json()["sides"]) == {"a", "b"}
    assert BlindPair.objects.count() == pairs.AHEAD
    assert as_alice.post(PAIRS).json() == ready.json()


def test_both_sides_ask_for_the_same_music(listener: Listener, composer: PolicyVersion) -> None:
    for authors in ((Author.COMPOSER, Author.HUMAN), (Author.PRIOR, Author.COMPOSER), (Author.COMPOSER, Author.COMPOSER)):
        first, second = (Score.from_json(side.score) for side in made(listener, *authors).sides.all())

        assert first.melody.notes != second.melody.notes
        assert len(first.voices) == len(second.voices) == 1
        alike = [
            (s.title, s.voices[0].program, s.melody.metre, s.melody.tonic, s.melody.mode, s.melody.tempo, s.melody.quarters)
            for s in (first, second)
        ]
        assert alike[0] == alike[1]
        assert first.melody.pickup == second.melody.pickup == 0
        assert first.melody.bars == pair_making.BARS


def test_the_same_seed_makes_the_same_pair(listener: Listener, composer: PolicyVersion) -> None:
    BlindPair.objects.filter(pk=(one := made(listener)).pk).update(status="failed")
    scores = [side.score for side in one.sides.all()]
    one.delete()

    assert [side.score for side in made(listener).sides.all()] == scores


def test_a_tune_that_the_listener_knows_does_not_come(listener: Listener, composer: PolicyVersion) -> None:
    first = made(listener).sides.get(track__isnull=False).track
    again = made(listener).sides.get(track__isnull=False).track

    assert first != again


def test_nothing_tells_the_author_before_the_answer(
    client: Client, as_alice: APIClient, alice: Account, composer: PolicyVersion
) -> None:
    pair = made(alice.listener)
    human = pair.sides.get(track__isnull=False)
    client.force_login(alice)

    page = client.get(f"/pairs/{pair.pk}/").content.decode()
    told = as_alice.get(f"{PAIRS}{pair.pk}/").json()

    assert told["authors"] is None
    for text in (page, json.dumps(told)):
        assert human.track is not None
        assert human.track.title not in text
        assert f"/tracks/{human.track_id}/" not in text
    # What stands for A and what stands for B differ in their letter alone.
    a, b = (page.split(f'data-side="{place}"')[1].split("</article>")[0] for place in "ab")
    assert a.replace("/a/", "/b/").replace("A", "B").replace(">1<", ">2<") == b.replace("A", "B")


def test_the_sound_says_nothing_either(as_alice: APIClient, alice: Account, composer: PolicyVersion) -> None:
    pair = made(alice.listener)

    answers = [as_alice.get(f"{PAIRS}{pair.pk}/{place}/audio.opus") for place in "ab"]

    for answer in answers:
        assert answer.status_code == 200
        assert b"".join(answer.streaming_content)[:4] == b"OggS"  # type: ignore[attr-defined]
    kept = [{name for name in answer.headers if name not in ("ETag", "Content-Length")} for answer in answers]
    assert kept[0] == kept[1]
    assert answers[0].headers["Content-Disposition"] == answers[1].headers["Content-Disposition"]
    part = as_alice.get(f"{PAIRS}{pair.pk}/a/audio.opus", HTTP_RANGE="bytes=0-99")
    assert (part.status_code, len(part.content)) == (206, 100)


def test_an_answer_tells_who_made_which_and_moves_the_taste(
    as_alice: APIClient, alice: Account, composer: PolicyVersion
) -> None:
    pair = made(alice.listener, Author.HUMAN, Author.COMPOSER)
    before = taste_of(alice.listener)

    answer = as_alice.post(f"{PAIRS}{pair.pk}/answer/", answer_of("second", first_heard_seconds=9.5, second_heard_seconds=8))

    assert answer.status_code == 200, answer.json()
    human, composed = answer.json()["authors"]["a"], answer.json()["authors"]["b"]
    assert (human["author"], human["policy_version"]) == ("human", None)
    assert human["track"] in Track.objects.values_list("pk", flat=True)
    assert (composed["author"], composed["policy_version"], composed["track"]) == ("composer", composer.pk, None)
    choice = Choice.objects.get()
    assert (choice.answer, choice.first_heard_seconds, choice.second_heard_seconds) == ("second", 9.5, 8.0)
    after = taste_of(alice.listener)
    sides = pair.sides.all()
    worth = [after.score(side.features)[0] - before.score(side.features)[0] for side in sides]
    assert worth[1] > worth[0]


def test_the_same_answer_sent_again_changes_nothing(as_alice: APIClient, alice: Account, composer: PolicyVersion) -> None:
    pair, said = made(alice.listener), answer_of("first")

    first, second = (as_alice.post(f"{PAIRS}{pair.pk}/answer/", said) for _ in range(2))

    assert first.json() == second.json()
    assert Choice.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_an_answer_and_a_keep_that_arrive_many_times_at_once_count_once(alice: Account, composer: PolicyVersion) -> None:
    pair, said = made(alice.listener), answer_of("first")

    def send(call: tuple[str, dict[str, Any]]) -> Any:
        try:
            answer = api_client(alice).post(f"{PAIRS}{pair.pk}/{call[0]}/", call[1])
            return answer.status_code, answer.json()
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(send, [("answer", said)] * 20))
        pieces = list(pool.map(send, [("a/keep", {})] * 20))

    assert answers[0][0] == pieces[0][0] == 200
    assert (answers, pieces) == (answers[:1] * 20, pieces[:1] * 20)
    assert (Choice.objects.count(), Piece.objects.count()) == (1, 1)


def test_another_answer_to_an_answered_pair_is_a_conflict(as_alice: APIClient, alice: Account, composer: PolicyVersion) -> None:
    pair, said = made(alice.listener), answer_of("first")
    as_alice.post(f"{PAIRS}{pair.pk}/answer/", said)

    assert as_alice.post(f"{PAIRS}{pair.pk}/answer/", said | {"answer": "second"}).status_code == 409
    assert as_alice.post(f"{PAIRS}{pair.pk}/answer/", answer_of("first")).status_code == 409
    assert as_alice.post(f"{PAIRS}{made(alice.listener).pk}/answer/", said).status_code == 409


def test_a_pair_that_is_not_ready_takes_no_answer(as_alice: APIClient, composer: PolicyVersion) -> None:
    pair = as_alice.post(PAIRS).json()["id"]

    assert as_alice.post(f"{PAIRS}{pair}/answer/", answer_of("first")).status_code == 409
    assert as_alice.get(f"{PAIRS}{pair}/a/audio.opus").status_code == 404


def test_a_malformed_answer_is_refused(as_alice: APIClient, alice: Account, composer: PolicyVersion) -> None:
    pair = made(alice.listener)
    for body in (
        {},
        {"answer": "first"},
        {"client_id": "x", "answer": "first"},
        answer_of("both"),
        answer_of("first", first_heard_seconds=-1),
        answer_of("first", second_heard_seconds="NaN"),
        answer_of("first", occurred_at="2026-03-01T12:00:00"),
        answer_of("first", occurred_at="9999-12-31T23:59:59Z"),
        answer_of("first", occurred_at="1999-12-31T23:59:59Z"),
    ):
        assert as_alice.post(f"{PAIRS}{pair.pk}/answer/", body).status_code == 400, body
    assert not Choice.objects.exists()


def test_somebody_else_s_pair_does_not_exist(as_bob: APIClient, bob: Account, alice: Account, composer: PolicyVersion) -> None:
    pair = made(alice.listener)
    browser = Client()
    browser.force_login(bob)

    assert as_bob.get(f"{PAIRS}{pair.pk}/").status_code == 404
    assert as_bob.post(f"{PAIRS}{pair.pk}/answer/", answer_of("first")).status_code == 404
    assert as_bob.get(f"{PAIRS}{pair.pk}/a/audio.opus").status_code == 404
    assert as_bob.post(f"{PAIRS}{pair.pk}/a/keep/").status_code == 404
    assert browser.get(f"/pairs/{pair.pk}/").status_code == 404
    assert browser.post(f"/pairs/{pair.pk}/", answer_of("first")).status_code == 404
    assert browser.post(f"/pairs/{pair.pk}/a/keep/").status_code == 404


def test_a_stranger_is_asked_to_sign_in(client: Client) -> None:
    assert APIClient().post(PAIRS).status_code in (401, 403)
    assert client.get("/pairs/").headers["Location"].startswith("/accounts/login/")


def test_sides_and_forms_that_are_none_do_not_exist(as_alice: APIClient, alice: Account, composer: PolicyVersion) -> None:
    pair = made(alice.listener)

    assert as_alice.get(f"{PAIRS}{pair.pk}/c/audio.opus").status_code == 404
    assert as_alice.get(f"{PAIRS}{pair.pk}/a/midi").status_code == 404
    assert as_alice.get(f"{PAIRS}{pair.pk}/a/score.svg").status_code == 404
    as_alice.post(f"{PAIRS}{pair.pk}/answer/", answer_of("no_difference"))
    assert as_alice.get(f"{PAIRS}{pair.pk}/a/score.svg").status_code == 200


def test_without_a_composer_it_says_so(as_alice: APIClient, client: Client, alice: Account, tracks: list[Track]) -> None:
    client.force_login(alice)

    assert as_alice.post(PAIRS).status_code == 409
    assert "No composer has been trained yet" in client.get("/pairs/").content.decode()


def test_the_page_waits_and_then_shows_the_pair(client: Client, alice: Account, composer: PolicyVersion) -> None:
    client.force_login(alice)
    assert 'id="pair-wait"' in client.get("/pairs/").content.decode()
    asks = {"HX-Request": "true", "HX-Target": "pair-wait"}
    assert client.get("/pairs/", headers=asks).status_code == 204

    for pair in BlindPair.objects.all():
        pair_making.make_pair(pair.pk)
    there = client.get("/pairs/", headers=asks)

    assert there.headers["HX-Retarget"] == "#main"
    assert "I prefer A" in there.content.decode()
    assert "Not enough answers yet: 0 of 10." in there.content.decode()


def test_an_answer_on_the_page_leads_to_the_authors_and_a_skip_to_the_next_pair(
    client: Client, alice: Account, composer: PolicyVersion
) -> None:
    pair = made(alice.listener, Author.PRIOR, Author.HUMAN)
    client.force_login(alice)

    answered = client.post(f"/pairs/{pair.pk}/", answer_of("first", heard_a="3.5", heard_b="x"), follow=True)

    assert answered.redirect_chain == [(f"/pairs/{pair.pk}/", 302)]
    page = answered.content.decode()
    assert "The prior alone" in page
    assert "you preferred this one" in page.split('data-side="b"')[0]
    choice = Choice.objects.get()
    assert (choice.first_heard_seconds, choice.second_heard_seconds) == (3.5, None)
    skipped = client.post(f"/pairs/{made(alice.listener).pk}/", answer_of("skip"))
    assert skipped.headers["Location"] == "/pairs/"


def test_a_broken_form_is_refused(client: Client, alice: Account, composer: PolicyVersion) -> None:
    pair = made(alice.listener)
    client.force_login(alice)

    assert client.post(f"/pairs/{pair.pk}/", answer_of("both")).status_code == 404
    assert client.post(f"/pairs/{pair.pk}/", {"answer": "first", "client_id": "x"}).status_code == 404
    client.post(f"/pairs/{pair.pk}/", answer_of("first"))
    again = client.post(f"/pairs/{pair.pk}/", answer_of("second"))
    assert again.status_code == 409
    assert "answered already" in again.content.decode()


def test_a_composed_side_can_be_kept_once_after_the_answer(
    as_alice: APIClient, alice: Account, composer: PolicyVersion
) -> None:
    pair = made(alice.listener, Author.COMPOSER, Author.HUMAN)
    keep = f"{PAIRS}{pair.pk}/a/keep/"
    assert as_alice.post(keep).status_code == 409
    as_alice.post(f"{PAIRS}{pair.pk}/answer/", answer_of("first"))

    first, second = as_alice.post(keep), as_alice.post(keep)

    assert first.json() == second.json()
    piece = Piece.objects.get()
    assert (piece.track_id, piece.track.owner) == (first.json()["piece"], alice.listener)
    assert piece.track.title
    assert as_alice.post(f"{PAIRS}{pair.pk}/b/keep/").status_code == 404
    assert as_alice.get(f"{PAIRS}{pair.pk}/").json()["authors"]["a"]["piece"] == piece.track_id


def test_a_kept_piece_comes_again_from_its_recipe(listener: Listener, composer: PolicyVersion) -> None:
    from composer.recipes import perform

    pair = made(listener, Author.COMPOSER, Author.COMPOSER)
    pairs.answer(listener, pair.pk, "first", client_id=uuid.uuid4())
    piece = pairs.keep(listener, pair.pk, "b")

    again, _ = perform(piece.recipe, piece.policy_version)

    assert [voice["melody"] for voice in again.to_json()["voices"]] == [v["melody"] for v in piece.track.score["voices"]]


def test_authors_meet_in_turn_and_on_both_sides(listener: Listener, composer: PolicyVersion) -> None:
    for track in Track.objects.all()[:8]:  # enough opinions for a taste, with which the prior is another author
        for _ in range(2):
            Feedback.objects.create(
                listener=listener, client_id=uuid.uuid4(), track=track, kind="rate", value=5, occurred_at=track.created_at
            )
    champion = PolicyVersion.objects.get(slot="composer")

    asked = [pairs._ask(listener, champion) for _ in range(32)]

    met = Counter(frozenset((pair.first_author, pair.second_author)) for pair in asked)
    assert set(met.values()) == {8}
    assert len(met) == 4
    assert len({(pair.first_author, pair.second_author) for pair in asked}) > len(met)


def test_taste_pairs_are_written_for_two_draws_of_the_taste(listener: Listener, composer: PolicyVersion) -> None:
    first, second = made(listener, Author.COMPOSER, Author.COMPOSER).sides.all()

    assert first.recipe is not None
    assert second.recipe is not None
    assert first.recipe["taste"] != second.recipe["taste"]
    assert first.recipe["steering"] == second.recipe["steering"]


def on_trial(champion: PolicyVersion, outcome: str = "not_proven") -> PolicyVersion:
    """A newer version that the gate did not refuse; the same weights will do."""
    version = PolicyVersion.objects.create(slot="composer", kind="dqn", folder=champion.folder, sha256=champion.sha256)
    Verdict.objects.create(version=version, champion=champion, outcome=outcome, checks=[])
    return version


def test_a_version_that_is_not_proven_meets_the_champion_and_a_refused_one_does_not(
    listener: Listener, composer: PolicyVersion
) -> None:
    assert pairs.version_on_trial(composer) is None
    trial = on_trial(composer)
    assert pairs.version_on_trial(composer) == trial
    assert (Author.CHALLENGER, Author.COMPOSER) in pairs.meetings_for(listener, composer, trial)

    Verdict.objects.create(version=trial, champion=composer, outcome="refuse", checks=[])

    assert pairs.version_on_trial(composer) is None


def test_what_nobody_saw_of_a_former_champion_is_thrown_away(
    as_alice: APIClient, alice: Account, composer: PolicyVersion
) -> None:
    stale = made(alice.listener)
    newer = PolicyVersion.objects.create(slot="composer", kind="prior", folder=composer.folder, sha256=composer.sha256)
    Slot.objects.filter(name="composer").update(champion=newer)

    assert as_alice.post(PAIRS).json()["id"] != str(stale.pk)
    assert not BlindPair.objects.filter(pk=stale.pk).exists()


def damaged(prior: PolicyVersion) -> PolicyVersion:
    """A version whose files are not those that were judged."""
    return PolicyVersion.objects.create(slot="composer", kind="dqn", folder=prior.folder, sha256="0" * 64)


@pytest.mark.parametrize("rival", [Author.HUMAN, Author.COMPOSER, Author.PRIOR])
def test_what_served_before_writes_where_the_champion_cannot_be_read(
    client: Client, alice: Account, olga: Account, composer: PolicyVersion, rival: str, caplog: pytest.LogCaptureFixture
) -> None:
    broken = damaged(composer)
    promote("composer", broken, Promotion.Kind.FORCED, by=olga, reason="tests")

    pair = made(alice.listener, Author.COMPOSER, rival, champion=broken)

    assert f"version {broken.pk}" in caplog.text
    assert pair.first_author == Author.COMPOSER
    # A prior that knows no taste and its prior would write alike.
    assert pair.second_author == (Author.HUMAN if rival == Author.PRIOR else rival)
    assert pair.sides.get(place=0).policy_version == composer
    client.force_login(alice)
    assert str(pair.pk) in client.get("/pairs/").content.decode()
    pairs.answer(alice.listener, pair.pk, "first", client_id=uuid.uuid4())
    page = client.get(f"/pairs/{pair.pk}/").content.decode()
    assert f"Version {composer.pk} (version {broken.pk} could not be read)" in page


@pytest.mark.parametrize("which", ["trial", "champion"])
def test_a_version_on_trial_waits_where_it_or_its_champion_cannot_be_read(
    listener: Listener, olga: Account, composer: PolicyVersion, which: str
) -> None:
    champion, trial = composer, damaged(composer)
    if which == "champion":
        champion, trial = trial, on_trial(composer)
        promote("composer", champion, Promotion.Kind.FORCED, by=olga, reason="tests")

    pair = made(listener, Author.CHALLENGER, Author.COMPOSER, champion=champion, trial=trial)

    assert (pair.first_author, pair.second_author, pair.trial) == (Author.HUMAN, Author.COMPOSER, None)
    assert pair.sides.get(place=0).track is not None
    assert pair.sides.get(place=1).policy_version == composer


def test_where_nothing_can_be_read_the_pair_fails_by_name(listener: Listener, composer: PolicyVersion) -> None:
    broken = damaged(composer)
    Slot.objects.filter(name="composer").update(champion=broken)
    Promotion.objects.all().delete()
    pair = BlindPair.objects.create(
        listener=listener, first_author=Author.COMPOSER, second_author=Author.HUMAN, champion=broken, seed=5
    )

    pair_making.make_pair(pair.pk)

    pair.refresh_from_db()
    assert pair.status == "failed"
    assert f"version {broken.pk}" in pair.error


def test_a_catalogue_without_a_fitting_tune_says_so_and_rests(
    as_alice: APIClient, client: Client, alice: Account, composer_version: PolicyVersion
) -> None:
    pair = as_alice.post(PAIRS).json()["id"]
    for each in BlindPair.objects.all():
        pair_making.make_pair(each.pk)

    failed = as_alice.post(PAIRS).json()

    assert failed["status"] == "failed"
    assert "no tune whose first 8 bars" in failed["error"]
    assert BlindPair.objects.filter(pk=pair, status="failed").exists()
    assert BlindPair.objects.count() == pairs.AHEAD
    client.force_login(alice)
    assert "did not come about" in client.get("/pairs/").content.decode()


def test_lost_pairs_come_back(as_alice: APIClient, composer: PolicyVersion) -> None:
    from procrastinate.contrib.django.models import ProcrastinateJob

    as_alice.post(PAIRS)
    ProcrastinateJob.objects.all().using("default")._raw_delete("default")
    BlindPair.objects.update(created_at="2026-01-01T00:00:00Z")

    assert put_back_lost(0) == 0
    assert set(BlindPair.objects.values_list("status", flat=True)) == {"failed"}


def test_answers_can_be_taken_along_and_are_erased(
    as_alice: APIClient, alice: Account, composer: PolicyVersion, settings: Settings
) -> None:
    pair = made(alice.listener, Author.HUMAN, Author.COMPOSER)
    as_alice.post(f"{PAIRS}{pair.pk}/answer/", answer_of("first"))

    exported = json.loads("".join(privacy.write_export(alice.listener)))

    assert exported["pairs"][0]["authors"] == ["human", "composer"]
    assert exported["pairs"][0]["answer"] == exported["choices"][0]["answer"] == "first"
    assert exported["pairs"][0]["choice"] == exported["choices"][0]["client_id"]
    privacy.erase(alice.listener)
    assert [model for model in (BlindPair, Side, Choice) if model.objects.exists()] == []


def test_the_scores_are_one_s_own(as_alice: APIClient, as_bob: APIClient, alice: Account, composer: PolicyVersion) -> None:
    pair = made(alice.listener, Author.HUMAN, Author.COMPOSER)
    as_alice.post(f"{PAIRS}{pair.pk}/answer/", answer_of("second"))

    mine = {(row["author"], row["rival"]): row for row in as_alice.get(f"{PAIRS}scores/").json()["scores"]}
    others = as_bob.get(f"{PAIRS}scores/").json()["scores"]

    assert (mine["composer", "human"]["wins"], mine["composer", "human"]["answers"]) == (1.0, 1)
    assert not mine["composer", "human"]["is_enough"]
    assert mine["prior", "human"]["share"] is None
    assert [row["answers"] for row in others] == [0, 0, 0]


def test_asking_for_the_next_pair_takes_few_queries(
    as_alice: APIClient, alice: Account, composer: PolicyVersion, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(pairs.AHEAD):
        made(alice.listener)
    as_alice.post(PAIRS)

    with django_assert_num_queries(8):
        as_alice.post(PAIRS)


def test_an_operator_asks_and_answers_for_an_integrators_listener(
    as_olga: APIClient, as_alice: APIClient, composer: PolicyVersion
) -> None:
    shop = {"listener": "shop 17"}
    asked = as_olga.post(PAIRS, shop).json()
    customer = Listener.objects.get(external_id="shop 17")
    for waiting in BlindPair.objects.filter(listener=customer):
        pair_making.make_pair(waiting.pk)
    one = as_olga.get(f"{PAIRS}{asked['id']}/", shop).json()
    sound = as_olga.get(one["sides"]["a"]["sound"]["opus"])
    said = as_olga.post(f"{PAIRS}{asked['id']}/answer/", answer_of("first") | shop).json()

    assert sound.status_code == 200
    assert said["authors"] is not None
    assert Choice.objects.get().listener == customer
    assert as_olga.get(f"{PAIRS}scores/", shop).status_code == 200
    assert as_olga.get(f"{PAIRS}{asked['id']}/").status_code == 404
    assert as_alice.get(f"{PAIRS}{asked['id']}/", shop).status_code == 403
    assert as_alice.post(PAIRS, shop).status_code == 403


def test_a_kept_side_is_a_piece_of_the_integrators_listener(as_olga: APIClient, composer: PolicyVersion) -> None:
    shop, customer = {"listener": "shop-17"}, Listener.objects.create(external_id="shop-17")
    pair = made(customer)
    as_olga.post(f"{PAIRS}{pair.pk}/answer/", answer_of("first") | shop)

    kept = as_olga.post(f"{PAIRS}{pair.pk}/a/keep/", shop).json()["piece"]

    assert as_olga.get(f"/api/v1/pieces/{kept}/", shop).json()["is_own"] is True
    assert as_olga.get(f"/api/v1/pieces/{kept}/").status_code == 404
