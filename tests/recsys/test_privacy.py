import gc
import json
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.db import connection

from accounts import privacy
from accounts.models import Account, Listener
from composer.models import Commission, Piece
from music.features import NAMES
from music.notes import Melody, Note, Score, Voice
from recsys.exports import FORMATS, exported
from recsys.models import Feedback, Preferences, Recommendation, Track
from training.models import PolicyVersion

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> Listener:
    return Account.objects.create_user("alice@example.org", "a long passphrase").listener


@pytest.fixture
def bob() -> Listener:
    return Account.objects.create_user("bob@example.org", "a long passphrase").listener


def make_track(title: str, owner: Listener | None = None) -> Track:
    notes = tuple(Note(60 + step, 1) for step in range(4))  # type: ignore[arg-type]
    melody = Melody(notes=notes, metre=(4, 4), tonic=0, mode="major")
    score = Score(title=title, voices=(Voice(name="melody", melody=melody),))
    return Track.objects.create(
        title=title, style="reel", collection="test", owner=owner, tonic=0, mode="major", metre="4/4", tempo=120.0, bars=1,
        duration_seconds=2.0, note_count=4, score=score.to_json(), features=[0.4] * len(NAMES), content_hash=title,
    )  # fmt: skip


def live(listener: Listener) -> Track:
    """A listener with a row of everything; gives their piece's track."""
    heard, own = make_track(f"Heard by {listener}"), make_track(f"Piece of {listener}", owner=listener)
    version = PolicyVersion.objects.create(slot="recommender", kind="popularity")
    Preferences.objects.create(listener=listener, styles=["reel"])
    slate = Recommendation.objects.create(
        listener=listener, policy_version=version, seed=1, epsilon=0.1, candidates=[heard.pk], tracks=[heard.pk],
        scores=[0.5], probabilities=[1.0],
    )  # fmt: skip
    Feedback.objects.create(
        listener=listener, client_id=uuid.uuid4(), track=heard, recommendation=slate, position=0, kind="rate", value=5,
        occurred_at=NOON,
    )  # fmt: skip
    piece = Piece.objects.create(track=own, policy_version=version, recipe={"seed": 7})
    Commission.objects.create(listener=listener, steering={"bars": 8}, seed=7, status="done", piece=piece)
    return own


def test_the_export_holds_everything_kept_about_the_listener_and_nothing_of_others(alice: Listener, bob: Listener) -> None:
    live(alice)
    live(bob)

    text = "".join(privacy.write_export(alice))
    kept = json.loads(text)

    assert {"account", "preferences", "feedback", "recommendations", "taste", "pieces", "commissions"} <= set(kept)
    assert [row["value"] for row in kept["feedback"]] == [5.0]
    assert kept["feedback"][0]["track__title"] == f"Heard by {alice}"
    assert kept["recommendations"][0]["probabilities"] == [1.0]
    assert kept["pieces"][0]["recipe"] == {"seed": 7}
    assert kept["commissions"][0]["steering"] == {"bars": 8}
    assert kept["taste"]["answers"] == 1
    assert "bob" not in text


def test_the_export_never_holds_more_rows_than_a_chunk(alice: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(privacy, "CHUNK_ROWS", 20)
    track = make_track("Heard often")
    Feedback.objects.bulk_create(
        Feedback(listener=alice, client_id=uuid.uuid4(), track=track, kind="like", occurred_at=NOON) for _ in range(110)
    )
    gc.collect()
    before = ids_held()

    written, rows, held, read_by_cursors = [], 0, [], set()
    for text in privacy.write_export(alice):
        written.append(text)
        rows += '"client_id"' in text
        if '"client_id"' in text and rows % 20 == 1:  # the first of a chunk
            held.append(ids_held() - before)
            with connection.cursor() as cursor:
                cursor.execute("SELECT count(*) FROM pg_cursors WHERE statement LIKE '%recsys_feedback%'")
                read_by_cursors.add(cursor.fetchone()[0])

    assert len(json.loads("".join(written))["feedback"]) == rows == 110
    # Each row has an id that nothing else has. The database keeps the others: it is asked for a chunk at a time.
    assert max(held) <= 20
    assert read_by_cursors == {1}


def ids_held() -> int:
    """UUIDs that are alive in this process."""
    return sum(type(each) is uuid.UUID for each in gc.get_objects())


def test_an_erased_listener_leaves_no_row_and_no_file(alice: Listener, bob: Listener, settings, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    settings.ENCORE_VAR = tmp_path
    own, others = live(alice), live(bob)
    file, others_file = exported(own, FORMATS["midi"]), exported(others, FORMATS["midi"])
    listener_id = alice.pk

    privacy.erase(alice)

    for model in (Preferences, Feedback, Recommendation, Commission):
        assert not model.objects.filter(listener_id=listener_id).exists()
        assert model.objects.filter(listener=bob).exists()
    assert not Account.objects.filter(email="alice@example.org").exists()
    assert not Track.objects.filter(pk=own.pk).exists()
    assert Track.objects.filter(title=f"Heard by {'alice@example.org'}").exists()
    assert not file.exists()
    assert others_file.exists()


def test_a_variation_outlives_the_shared_piece_it_came_from(alice: Listener, bob: Listener) -> None:
    own, others = live(alice), live(bob)
    Piece.objects.filter(track=others).update(parent=own.piece)

    privacy.erase(alice)

    assert Piece.objects.get(track=others).parent is None
