"""The first start's music. Before: prepare.py made the database. After: the maintenance worker imports the rest."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from procrastinate import exceptions
from procrastinate.contrib.django import app

from recsys import catalogue

IMPORT_TASK = "recsys.tasks.import_starter_catalogue"


class Command(BaseCommand):
    """Safe to repeat: imports only what is missing."""

    help = "Imports the first tunes of the starter catalogue and asks a worker for the rest."

    def handle(self, *args: Any, **options: Any) -> None:
        """Some music at once, all of it in the background."""
        if settings.ENCORE_FIRST_TUNES == 0:
            return
        record = catalogue.import_first(settings.ENCORE_FIRST_TUNES)
        if record is not None:
            self.stdout.write(f"{record.added} tunes are here, the others follow in the background.")
            notice = catalogue.licence_notice()
            if notice:
                self.stdout.write(notice)
        try:
            # The lock keeps a second start from asking twice while the first request still waits.
            app.configure_task(IMPORT_TASK, queue="maintenance", queueing_lock=IMPORT_TASK).defer()
        except exceptions.AlreadyEnqueued:
            self.stdout.write("The catalogue is already on its way.")
