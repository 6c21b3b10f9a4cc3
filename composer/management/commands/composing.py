"""`manage.py composing worker`: a worker that is ready to compose before its first job. Before: Procfile. After: tasks.py."""

from __future__ import annotations

from typing import Any

from procrastinate.contrib.django.management.commands import procrastinate

from composer import warming


class Command(procrastinate.Command):
    """The commands of procrastinate, in a process that loads the serving composer while it waits."""

    help = "A worker for the queue `interactive`: as `procrastinate worker`, and it loads the composer at its start."

    def handle(self, *args: Any, **options: Any) -> None:
        """Loads beside the worker."""
        warming.begin()
        super().handle(*args, **options)
