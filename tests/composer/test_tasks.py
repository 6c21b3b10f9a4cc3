"""The composer's jobs through a real worker of the queue."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection
from procrastinate import App
from procrastinate.contrib.django import app

from accounts.models import Listener
from composer.composing import commission
from composer.models import Commission, Piece
from composer.steering import Steering
from training import queue

pytestmark = pytest.mark.django_db(transaction=True)
JIG = Steering.from_json({"style": "jig", "bars": 4})


@pytest.fixture
def worker() -> Iterator[App]:
    """As `manage.py procrastinate worker` makes it: with connections of its own."""
    with connection.cursor() as cursor:
        # Unmanaged tables: Django does not empty them between tests.
        cursor.execute("TRUNCATE procrastinate_jobs, procrastinate_periodic_defers CASCADE")
    connector = app.connector.get_worker_connector()  # type: ignore[attr-defined]
    with app.replace_connector(connector) as worker_app:
        yield worker_app


def work(worker: App, queue_name: str) -> None:
    worker.run_worker(queues=[queue_name], wait=False, install_signal_handlers=False, listen_notify=False)


@pytest.mark.usefixtures("composer_version")
def test_a_worker_composes_what_was_commissioned(listener: Listener, worker: App) -> None:
    made = commission(listener, JIG, seed=1)

    work(worker, "interactive")

    made.refresh_from_db()
    assert made.status == Commission.Status.DONE
    assert made.piece is not None
    assert made.piece.track.owner == listener


@pytest.mark.usefixtures("composer_version")
def test_a_commission_whose_worker_was_killed_is_composed_by_the_next_one(listener: Listener, worker: App) -> None:
    made = commission(listener, JIG, seed=2)
    Commission.objects.filter(pk=made.pk).update(status=Commission.Status.COMPOSING, progress=0.5)
    with connection.cursor() as cursor:
        # As a killed worker leaves it: at work, by nobody.
        cursor.execute("UPDATE procrastinate_jobs SET status = 'doing', worker_id = NULL, attempts = 1")

    queue.defer("training.retry_stalled_jobs", "maintenance", timestamp=0)
    work(worker, "maintenance")
    work(worker, "interactive")

    made.refresh_from_db()
    assert made.status == Commission.Status.DONE
    assert Piece.objects.count() == 1


def test_without_a_composer_the_job_ends_and_the_listener_is_told(listener: Listener, worker: App) -> None:
    made = commission(listener, JIG)

    work(worker, "interactive")

    made.refresh_from_db()
    assert made.status == Commission.Status.FAILED
    assert "No composer has been trained yet" in made.error
