"""Jobs of listening: catalogue, taste population, cache of exports. Before: catalogue.py, taste_population.py, exports.py."""

from __future__ import annotations

import logging

from django.db import InterfaceError, OperationalError
from procrastinate import JobContext, RetryStrategy
from procrastinate.contrib.django import app
from procrastinate.exceptions import JobAborted

from recsys import catalogue, exports, taste_population

logger = logging.getLogger(__name__)


@app.task(
    name="recsys.tasks.import_starter_catalogue",
    queue="maintenance",
    lock="import_starter_catalogue",
    pass_context=True,
    retry=RetryStrategy(max_attempts=60, wait=5, retry_exceptions={JobAborted, OperationalError, InterfaceError}),
)
def import_starter_catalogue(context: JobContext) -> None:
    """The rest of the chosen collections. Stopped or killed, it goes on where it was."""
    catalogue.import_collections(should_stop=context.should_abort)
    if context.should_abort():
        raise JobAborted


@app.periodic(cron="23 * * * *")
@app.task(name="recsys.refit_taste_population", queue="maintenance", queueing_lock="refit_taste_population", pass_context=False)
def refit_taste_population(timestamp: int) -> None:
    """Every hour: what listeners have in common, where each new listener's taste begins."""
    fitted = taste_population.refit_population()
    logger.info("taste population: fitted from %d listeners", fitted.listeners)


@app.periodic(cron="41 4 * * *")
@app.task(name="recsys.remove_old_exports", queue="maintenance", queueing_lock="remove_old_exports", pass_context=False)
def remove_old_exports(timestamp: int) -> None:
    """Every night: rendered files beyond the limit, those not asked for longest first."""
    removed = exports.remove_old_exports()
    logger.info("exports: %d old files removed", removed)
