"""Melodies sent as files: beside a task of the API in multipart, and one at a time wherever they are read."""

from __future__ import annotations

import json
import threading
import uuid
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import Account
from composer import sources
from composer.composing import compose_commission
from composer.models import Commission, Piece
from music.midi import write_midi
from music.musicxml import write_musicxml
from music.notes import Score
from recsys.models import Track

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("composer_version", "accompanist_version")]
PIECES = "/api/v1/pieces/"
TASK = "/compose/task/"
ABC = b"X:1\nT:An air\nM:3/4\nL:1/4\nK:G\nG A B | d B G | A F D | G3 |]\n"
ACCOMPANY = {"kind": "accompany", "texture": "block"}


def sent(client: APIClient, content: bytes = ABC, name: str = "air.abc", task: Any = ACCOMPANY, **parts: Any) -> Any:
    """The answer to a file beside a task."""
    file = SimpleUploadedFile(name, content)
    return client.post(PIECES, {"file": file, "task": json.dumps(task), **parts}, format="multipart")


def _pitches(score: Score) -> list[int]:
    return [note.pitch for note in score.melody.notes if note.pitch is not None]


@pytest.mark.parametrize(("name", "write"), [("a.mid", write_midi), ("a.musicxml", write_musicxml), ("a.abc", None)])
def test_a_file_beside_a_task_is_its_melody(as_alice: APIClient, track: Track, name: str, write: Any) -> None:
    score = Score.from_json(track.score)
    content = ABC if write is None else write(score)
    answer = sent(as_alice, content if isinstance(content, bytes) else content.encode(), name, seed="7")
    assert answer.status_code == 202, answer.json()
    compose_commission(answer.json()["id"])
    piece = Piece.objects.select_related("track").get()

    made = Score.from_json(piece.track.score)
    pitches = [67, 69, 71, 74, 71, 67, 69, 66, 62, 67] if write is None else _pitches(score)
    assert _pitches(made) == pitches
    assert len(made.voices) > 1
    assert (answer.json()["seed"], piece.source) == (7, None)


def test_what_stands_beside_a_task_in_json_stands_beside_a_file_as_json(as_alice: APIClient) -> None:
    parts: Any = {
        "id": str(uuid.uuid4()),
        "steering": json.dumps({"density": 0.5}),
        "prompt": json.dumps({"kind": "lyrics", "text": "Row your boat"}),
    }
    task = {"kind": "continue", "bars": 2}
    first, again = sent(as_alice, task=task, **parts), sent(as_alice, task=task, **parts)

    assert first.status_code == 202, first.json()
    assert again.json() == first.json()
    made = Commission.objects.get()
    assert (made.task["kind"], made.task["bars"], made.steering["density"]) == ("continue", 2, 0.5)
    assert made.prompt == {"kind": "lyrics", "text": "Row your boat"}


@pytest.mark.parametrize(
    ("change", "path", "words"),
    [
        ({"name": "tune.txt"}, ["file"], ".mid"),
        ({"name": "tune.mid", "content": b"hello"}, ["file"], "MThd"),
        ({"content": b""}, ["file"], "it is empty"),
        ({"content": b"x" * (1024 * 1024 + 1)}, ["file"], "has 1.0 MiB; at most 1 are taken"),
        ({"name": "Melody.abc", "content": b"X:1\nM:4/4\nK:C\n[CEG]2 DE FGAB|c8|\n"}, ["file"], "several notes at once"),
        ({"content": ABC + b"\n" + ABC.replace(b"X:1", b"X:2")}, ["file"], "2 tunes"),
        ({"content": b"X:1\nK:C\nCDEF|"}, ["task", "metre"], "M:4/4"),
        ({"task": ACCOMPANY | {"track": 1}}, ["task", "track"], "by one of track, melody, abc or by a file"),
        ({"task": ACCOMPANY | {"voice": 2}}, ["task", "voice"], "1 … 1"),
        ({"task": None}, ["task"], "required with a file"),
        ({"steering": "{density: 1}"}, ["steering"], "it must be JSON"),
        ({"steering": '{"style": "\\ud800"}'}, ["steering"], "lone surrogate"),
        ({"seed": ["1", "2"]}, ["seed"], "more than once"),
        ({"texture": "block"}, ["texture"], "is no field of this call"),
    ],
)
def test_an_impossible_file_is_refused_with_field_and_bound(
    as_alice: APIClient, change: dict[str, Any], path: list[str], words: str
) -> None:
    answer = sent(as_alice, **change)
    found = answer.json()
    for name in path:
        found = found[name]

    assert answer.status_code == 400
    assert words.lower() in found[0].lower()
    assert not Commission.objects.exists()


def test_a_file_in_json_is_none(as_alice: APIClient) -> None:
    answer = as_alice.post(PIECES, {"task": ACCOMPANY, "file": "X:1"})

    assert answer.status_code == 400
    assert "not a file" in answer.json()["file"][0]


class GivenBackWhenWaitedFor(threading.BoundedSemaphore):
    """A turn that somebody else has until one waits for it."""

    def __init__(self) -> None:
        super().__init__(1)
        super().acquire()

    def acquire(self, blocking: bool = True, timeout: float | None = None) -> bool:
        """Gives the other one's turn back, then takes it."""
        assert timeout, "nobody waits"
        self.release()
        return super().acquire(blocking, timeout)


def test_a_melody_waits_while_another_one_is_read(as_alice: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_reading", GivenBackWhenWaitedFor())

    assert sent(as_alice).status_code == 202


@pytest.fixture(params=["the one that reads takes too long", "another one waits already"])
def busy(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> threading.BoundedSemaphore:
    """What others hold."""
    held = threading.BoundedSemaphore(1)
    held.acquire()
    monkeypatch.setattr(sources, "_reading" if "reads" in request.param else "_coming", held)
    monkeypatch.setattr(sources, "LONGEST_WAIT_SECONDS", 0.0)
    return held


def test_who_has_waited_too_long_is_asked_to_come_again(
    as_alice: APIClient, client: Client, alice: Account, busy: threading.BoundedSemaphore
) -> None:
    client.force_login(alice)
    by_abc = {"task": ACCOMPANY | {"abc": ABC.decode()}}
    form = {"kind": "continue", "bars": "2", "abc": ABC.decode()}
    wish = {"style": "reel", "primer": "C D E F"}
    programs = [sent(as_alice), as_alice.post(PIECES, by_abc)]
    pages = [client.post(TASK, form), client.post("/compose/", wish)]

    assert [(answer.status_code, answer["Retry-After"]) for answer in (*programs, *pages)] == [(503, "5")] * 4
    assert all("Nothing is wrong with yours" in answer.json()["detail"] for answer in programs)
    assert all("Nothing is wrong with yours" in page.content.decode() for page in pages)
    assert not Commission.objects.exists()
    busy.release()
    assert as_alice.post(PIECES, by_abc).status_code == 202
    assert client.post(TASK, form).status_code == 302
