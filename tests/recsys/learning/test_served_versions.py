"""A trained version that serves: what it answers to, and what serves where its checkpoint can't."""

from __future__ import annotations

import io
import json
import math
import shutil
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.utils import timezone
from numpy.typing import NDArray
from pytest_django import Settings

from accounts.models import Account, Listener
from dqn.checkpoint import MANIFEST, WEIGHTS, hash_folder, read_checkpoint, write_checkpoint
from recsys import preferences, recommending
from recsys.feedback import NewFeedback, record
from recsys.learning.dqn_policy import TRACK_MATRIX, export
from recsys.learning.replay_dataset import build
from recsys.learning.training import train
from recsys.models import Feedback, Recommendation, Track
from recsys.reasons import MOST_REASONS, OTHERS
from recsys.recommending import recommend
from tests.conftest import unsaved_track
from tests.recsys.learning.conftest import FIRST_ID, MONDAY, SMALL, Context, play
from training import alarms, promotion, slots
from training.models import PolicyVersion, Promotion

SLOT = "recommender"


def register(folder: Path, sha256: str | None = None) -> PolicyVersion:
    """A version of the checkpoint in `folder` below ENCORE_VAR."""
    return PolicyVersion.objects.create(slot=SLOT, kind="dqn", folder=folder.name, sha256=sha256 or hash_folder(folder))


def promote(version: PolicyVersion, by: Account) -> None:
    promotion.promote(SLOT, version, Promotion.Kind.FORCED, by, "for the test")


def served_to(listener: Listener) -> PolicyVersion:
    return recommend(listener, count=3, surface="api").policy_version


@pytest.fixture
def folder(trained: Path, settings: Settings, tmp_path: Path) -> Path:
    """The checkerboard's checkpoint with its track matrix, a copy that may be written to."""
    settings.ENCORE_VAR = tmp_path
    shutil.copytree(trained, tmp_path / "champion")
    export(tmp_path / "champion")
    return tmp_path / "champion"


@pytest.fixture
def champion(folder: Path, olga: Account) -> PolicyVersion:
    """It serves."""
    version = register(folder)
    promote(version, olga)
    return version


def missing(folder: Path) -> str:
    sha256 = hash_folder(folder)
    shutil.rmtree(folder)
    return sha256


def truncated(folder: Path) -> str:
    sha256, file = hash_folder(folder), folder / WEIGHTS
    file.write_bytes(file.read_bytes()[:-3])
    return sha256


def of_an_older_format(folder: Path) -> str:
    found = read_checkpoint(folder)
    weights = {name: weight for name, weight in found.weights.items() if name != "lookahead_H"}
    shutil.rmtree(folder)
    write_checkpoint(folder, weights, found.configuration, {}, found.dataset_fingerprint, "test", found.seed)
    return hash_folder(folder)


def with_another_track_matrix(folder: Path) -> str:
    sha256, file = hash_folder(folder), folder / TRACK_MATRIX
    np.save(file, np.load(file) + 1)
    return sha256


def with_another_configuration(folder: Path) -> str:
    sha256, file = hash_folder(folder), folder / MANIFEST
    manifest = json.loads(file.read_text())
    manifest["configuration"]["serving_temperature"] = 9.0
    file.write_text(json.dumps(manifest))
    return sha256


UNUSABLE = [missing, truncated, of_an_older_format, with_another_track_matrix, with_another_configuration]


@pytest.mark.parametrize("spoil", UNUSABLE)
def test_the_version_before_serves_in_place_of_one_that_cannot(
    champion: PolicyVersion, folder: Path, alice: Account, olga: Account, spoil: Callable[[Path], str]
) -> None:
    other = folder.with_name("other")
    shutil.copytree(folder, other)
    broken = register(other, spoil(other))
    promote(broken, olga)

    assert served_to(alice.listener) == champion

    done = alarms.watch(SLOT)
    assert done is not None
    assert done.reason.startswith(f"Alarm: The checkpoint of version {broken.pk} can't be used")
    assert promotion.champion_of(SLOT) == champion
    assert [letter.to for letter in mail.outbox] == [[olga.email]]


@pytest.mark.parametrize("spoil", UNUSABLE)
def test_popularity_serves_where_nothing_served_before(
    folder: Path, alice: Account, olga: Account, spoil: Callable[[Path], str]
) -> None:
    promote(register(folder, spoil(folder)), olga)

    assert served_to(alice.listener).kind == "popularity"


def test_a_version_that_cannot_be_loaded_is_tried_once_a_while(
    folder: Path, alice: Account, olga: Account, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = folder.rename(folder.with_name("elsewhere"))
    version = PolicyVersion.objects.create(slot=SLOT, kind="dqn", folder=folder.name, sha256=hash_folder(whole))
    promote(version, olga)

    assert [served_to(alice.listener).kind for _ in range(3)] == ["popularity"] * 3
    assert caplog.text.count(f"policy version {version.pk} can't be loaded") == 1

    whole.rename(folder)
    assert served_to(alice.listener).kind == "popularity"
    monkeypatch.setattr(recommending, "_asked_again_at", {})
    assert served_to(alice.listener) == version


def test_a_new_listener_of_whom_nothing_is_known_is_served(champion: PolicyVersion, alice: Account) -> None:
    row = recommend(alice.listener, count=3, surface="api")

    assert row.policy_version == champion
    assert all(reasons for reasons in row.reasons)


def tell(listener: Listener, track_id: int, kind: str, value: float | None = None) -> None:
    row = NewFeedback(client_id=uuid.uuid4(), track_id=track_id, kind=kind, value=value, occurred_at=timezone.now())
    assert record(listener, [row])[0].status == "stored"


@pytest.mark.parametrize("declared", [[], ["jig"], ["reel", "jig", "air", "polka"]])
def test_the_reasons_that_are_logged_sum_to_the_score_and_leave_alike_of_every_candidate(
    champion: PolicyVersion, alice: Account, checkerboard_tracks: list[Track], declared: list[str]
) -> None:
    for track in checkerboard_tracks[:12]:
        tell(alice.listener, track.pk, "play", 60.0)
    # Polkas came after the training.
    Track.objects.bulk_create([unsaved_track(number, style="polka") for number in (40, 41)])
    preferences.declare(alice.listener, styles=declared)

    row = recommend(alice.listener, count=100, surface="api")

    assert sorted(row.tracks) == sorted(row.candidates)
    sums = [math.fsum(reason["contribution"] for reason in reasons) for reasons in row.reasons]
    assert sums == pytest.approx(row.scores, abs=1e-12)
    left = [[reason["contribution"] for reason in reasons if reason["kind"] == "residual"] for reasons in row.reasons]
    assert np.ptp(left) < 1e-12 < np.ptp(row.scores)
    assert {reasons[-1]["kind"] for reasons in row.reasons} == {"residual"}
    assert {"other_heard", "other_moment"} <= {reason["kind"] for reasons in row.reasons for reason in reasons}
    assert max(len(reasons) for reasons in row.reasons) <= MOST_REASONS + len({*OTHERS.values(), "popular", "residual"})


def test_a_logged_request_gives_its_scores_again_after_more_feedback(
    champion: PolicyVersion, alice: Account, checkerboard_tracks: list[Track]
) -> None:
    first, second, third = (track.pk for track in checkerboard_tracks[:3])
    tell(alice.listener, first, "play", 20.0)
    tell(alice.listener, second, "like")
    row = recommend(alice.listener, count=10, surface="api")
    before = recommending.replay(row.pk).scores
    for kind, value in (("play", 1.0), ("dislike", None), ("rate", 5.0)):
        tell(alice.listener, third, kind, value)
    preferences.declare(alice.listener, styles=["jig"])

    again = recommending.replay(row.pk)
    replayed = slots.functions_of(SLOT).replay_logged_requests(1)
    out = io.StringIO()
    call_command("replay_requests", SLOT, stdout=out)

    assert row.policy_version == champion
    assert len(set(again.logged.tolist())) > 1
    assert (again.scores == before).all()
    assert replayed["requests"] == 1
    assert replayed["largest_difference"] == again.largest_difference < 1e-5
    assert out.getvalue().startswith("1 requests, largest difference ")


def test_a_request_whose_scores_come_out_otherwise_is_no_proof(
    champion: PolicyVersion, alice: Account, checkerboard_tracks: list[Track]
) -> None:
    tell(alice.listener, checkerboard_tracks[0].pk, "play", 20.0)
    row = recommend(alice.listener, count=3, surface="api")
    Recommendation.objects.filter(pk=row.pk).update(scores=[score + 1e-3 for score in row.scores])

    with pytest.raises(CommandError, match=r"1 requests, largest difference 0\.001: they do not come out as they were logged"):
        call_command("replay_requests", SLOT)


def test_each_signal_changes_the_very_next_scores(
    champion: PolicyVersion, alice: Account, checkerboard_tracks: list[Track]
) -> None:
    # One moment for all, so that no clock but only what was received changes a score.
    moment = timezone.now() + timedelta(minutes=1)

    def scores() -> NDArray[np.float64]:
        row = recommend(alice.listener, count=100, surface="api", moment=moment)
        assert row.policy_version == champion
        found = dict(zip(row.tracks, row.scores, strict=True))
        return np.array([found.get(track.pk, np.nan) for track in checkerboard_tracks[5:]])

    seen = [scores()]
    assert (scores() == seen[0]).all()
    told = [("like", None), ("dislike", None), ("skip", None), ("play", 1.0), ("rate", 5.0)]
    for track, (kind, value) in zip(checkerboard_tracks[:5], told, strict=True):
        tell(alice.listener, track.pk, kind, value)
        seen.append(scores())

        assert np.abs(seen[-1] - seen[-2]).max() > 1e-3, kind


@pytest.mark.slow
def test_of_ten_thousand_tracks_recommended_by_a_trained_version_none_is_disliked_or_banned(
    champion: PolicyVersion, alice: Account, checkerboard_tracks: list[Track]
) -> None:
    # More tracks than a request has candidates, so that the policy's own best are among them; most came after its training.
    Track.objects.bulk_create([unsaved_track(number, pk=FIRST_ID + number) for number in range(40, 400)])
    refused = set()
    for number, track in enumerate([*checkerboard_tracks, *Track.objects.order_by("-pk")[:40]]):
        if number % 4 < 2:
            tell(alice.listener, track.pk, "dislike" if number % 2 else "ban")
            refused.add(track.pk)
        else:
            tell(alice.listener, track.pk, "like")

    slates = [recommend(alice.listener, count=20, surface="api", seed=seed) for seed in range(500)]

    assert {slate.policy_version for slate in slates} == {champion}
    assert {len(slate.candidates) for slate in slates} == {256}
    recommended = [track_id for slate in slates for track_id in slate.tracks]
    assert len(recommended) == 10_000
    assert refused.isdisjoint(recommended)
    assert refused.isdisjoint(track_id for slate in slates for track_id in slate.candidates)


def serve(listeners: list[Listener], plays_of: Callable[[Recommendation], float]) -> dict[int, PolicyVersion]:
    """Listener → the version that served them; they play what they get for so many seconds."""
    found, plays = {}, []
    for listener in listeners:
        row = recommend(listener, count=3, surface="api")
        assert row.is_canary == (promotion.champion_of(SLOT) != row.policy_version)
        found[listener.pk] = row.policy_version
        now = timezone.now()
        plays += [
            play(listener, track, now, plays_of(row), recommendation=row)
            for track in Track.objects.in_bulk(row.tracks).values()
        ]
    Feedback.objects.bulk_create(plays)
    return found


def test_a_canary_and_a_promotion_end_by_alarm_for_everyone(
    champion: PolicyVersion, folder: Path, olga: Account, checkerboard_tracks: list[Track]
) -> None:
    shutil.copytree(folder, folder.with_name("challenger"))
    challenger = register(folder.with_name("challenger"))
    listeners = Listener.objects.bulk_create(Listener(external_id=f"canary {number}") for number in range(200))
    chosen = {each.pk for each in listeners if promotion.canary_position(SLOT, each.pk) < 0.25}
    assert 20 < len(chosen) < 80

    def plays_of(row: Recommendation) -> float:
        return 1.0 if row.policy_version == challenger else 60.0

    some = listeners[:40]
    assert set(serve(some, plays_of).values()) == {champion}

    promotion.start_canary(SLOT, challenger, 0.25, olga, "try it")
    assert serve(listeners, plays_of) == {each.pk: challenger if each.pk in chosen else champion for each in listeners}

    ended = alarms.watch(SLOT)
    assert ended is not None
    assert ended.reason.startswith("Alarm: Its skip rate is 100%")
    assert set(serve(some, plays_of).values()) == {champion}

    promote(challenger, olga)
    assert set(serve(some, plays_of).values()) == {challenger}

    undone = alarms.watch(SLOT)
    assert undone is not None
    assert (undone.kind, undone.by) == (Promotion.Kind.ROLLBACK, None)
    assert set(serve(some, plays_of).values()) == {champion}


def test_new_listeners_get_their_declared_styles_first(
    checkerboard: list[Listener], alice: Account, bob: Account, olga: Account, settings: Settings, tmp_path: Path
) -> None:
    settings.ENCORE_VAR = tmp_path
    tastes = (["reel", "air"], ["jig", "chorale"])
    for number, listener in enumerate(checkerboard):
        preferences.declare(listener, styles=tastes[number % 2], received_at=MONDAY - timedelta(days=1))
    dataset = build(SMALL, as_of=MONDAY + timedelta(days=10))
    version = register(train(Context(folder=tmp_path), dataset).checkpoint)
    promote(version, olga)

    for account, styles in zip((alice, bob), tastes, strict=True):
        preferences.declare(account.listener, styles=styles)
        row = recommend(account.listener, count=100, surface="api")
        assert row.policy_version == version
        best = [track_id for _, track_id in sorted(zip(row.scores, row.tracks, strict=True), reverse=True)]
        of = Track.objects.in_bulk(best)
        assert {of[track_id].style for track_id in best[:20]} == set(styles)
