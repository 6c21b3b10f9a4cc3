"""A trained composer that serves: a rating changes its next piece, and what serves where its checkpoint can't be read."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import Account
from composer import recipes
from composer.composing import compose_commission
from composer.models import Commission, Piece
from recsys.exports import FORMATS
from recsys.models import Track
from tests.composer.conftest import dqn_of
from training import alarms, promotion
from training.models import PolicyVersion, Promotion, Slot

pytestmark = pytest.mark.django_db
WISH = {"style": "reel", "bars": 4}


def ask(client: APIClient, **asked: Any) -> Piece:
    """A piece, as a program asks for it: always with the same seed."""
    answer = client.post("/api/v1/pieces/", {"steering": WISH | asked, "seed": 11})
    assert answer.status_code == 202, answer.json()
    compose_commission(answer.json()["id"])
    piece = Commission.objects.get(pk=answer.json()["id"]).piece
    assert piece is not None
    return piece


def rate(client: APIClient, track: Track, stars: int) -> None:
    row = {"client_id": uuid.uuid4(), "track": track.pk, "kind": "rate", "value": stars, "occurred_at": timezone.now()}
    answer = client.post("/api/v1/feedback/", {"feedback": [row]}, format="json")
    assert answer.json()["results"][0]["status"] == "stored"


@pytest.mark.usefixtures("dqn_version")
def test_a_rating_changes_the_next_piece_and_nothing_at_strength_zero(
    as_alice: APIClient, as_bob: APIClient, tracks: list[Track]
) -> None:
    unknown, neutral = ask(as_alice), ask(as_alice, taste_strength=0)
    for track, stars in zip(tracks[:9], (5, 1, 4, 2, 5, 1, 5, 2, 4), strict=True):
        rate(as_alice, track, stars)
    known = ask(as_alice)
    assert unknown.recipe["taste"] is None
    assert known.recipe["taste"] is not None
    assert known.track.score != unknown.track.score

    rate(as_alice, tracks[9], 1)
    after = ask(as_alice)

    assert after.recipe["taste"] != known.recipe["taste"]
    assert after.track.score != known.track.score
    assert ask(as_alice, taste_strength=0).track.score == neutral.track.score
    assert ask(as_bob).track.score == unknown.track.score == ask(as_bob, taste_strength=0).track.score


def test_what_served_before_composes_where_the_champion_is_of_an_older_format(
    as_alice: APIClient, composer_version: PolicyVersion, olga: Account, caplog: pytest.LogCaptureFixture
) -> None:
    older = dqn_of(composer_version, "checkpoints/older-dqn", heads=1)
    promotion.promote("composer", older, Promotion.Kind.FORCED, by=olga, reason="kept from before an update")

    piece = ask(as_alice)
    assert piece.policy_version == composer_version
    assert piece.recipe["policy_version"] == composer_version.pk
    assert "heads of format 1" in caplog.text

    done = alarms.watch("composer")
    assert done is not None
    assert done.reason.startswith(f"Alarm: The checkpoint of version {older.pk} can't be used")
    assert "train the policy again" in done.reason
    assert [letter.to for letter in mail.outbox] == [[olga.email]]
    assert promotion.champion_of("composer") == composer_version
    assert ask(as_alice).track.score == piece.track.score
    assert alarms.watch("composer") is None


def test_an_older_format_with_nothing_before_it_fails_by_name(
    as_alice: APIClient, composer_version: PolicyVersion, caplog: pytest.LogCaptureFixture
) -> None:
    older = dqn_of(composer_version, "checkpoints/older-dqn", heads=1)
    Slot.objects.filter(name="composer").update(champion=older, previous=None)
    Promotion.objects.all().delete()

    answer = as_alice.post("/api/v1/pieces/", {"steering": WISH, "seed": 1})
    compose_commission(answer.json()["id"])

    state = as_alice.get(f"/api/v1/commissions/{answer.json()['id']}/").json()
    assert state["status"] == "failed"
    assert f"version {older.pk}" in state["error"]
    assert alarms.watch("composer") is None
    assert "train the policy again" in caplog.text


def test_the_recipe_is_plain_json_and_gives_every_form_again_byte_for_byte(
    as_alice: APIClient, dqn_version: PolicyVersion
) -> None:
    piece = ask(as_alice, density=0.7, primer=[[62, 1], [66, "1/3"], [69, "2/3"]])

    def sent(name: str) -> bytes:
        answer: Any = as_alice.get(f"/api/v1/tracks/{piece.track_id}/{name}")
        assert answer.status_code == 200
        return b"".join(answer.streaming_content) if answer.streaming else answer.content

    recipe = json.loads(sent("recipe.json"))
    assert (recipe["seed"], recipe["steering"]["density"]) == (11, 0.7)
    assert recipe["steering"]["primer"] == [[62, "1"], [66, "1/3"], [69, "2/3"]]
    recipes.policy_of.cache_clear()
    again, _ = recipes.perform(
        recipe, PolicyVersion.objects.get(pk=recipe["policy_version"], sha256=recipe["checkpoint_sha256"])
    )

    assert again.to_json() == piece.track.score
    for name in ("midi", "musicxml", "abc", "score.svg", "audio.opus", "audio.mp3"):
        assert FORMATS[name].write(again) == sent(name), name
