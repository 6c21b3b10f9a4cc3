"""How long one recommendation takes end to end, over REST, with the whole starter catalogue. Before: recsys. After: make bench.

A throwaway PostgreSQL, all tunes, simulated listeners with a log, a trained Q-network; requests go through every layer of the
site in one process: authentication, state, scores of all tracks, the draw, the logged row, JSON."""

from __future__ import annotations

import os
import sys
import time
from argparse import Namespace
from typing import Any

# As config/wsgi.py has it, before numpy is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from bench.report import Report, make_parser, read_options, say
from bench.site import START, World, fit_dqn, serve_by, throwaway_site

WHOLE_CATALOGUE = 13_000
COUNT = 20
"""Tracks of a slate, as the home page asks."""


def milliseconds_of(requests: int, listeners: int) -> np.ndarray:
    """Of each request, by listeners in turn."""
    from django.test import Client

    from accounts.models import Account
    from accounts.tokens import issue_token

    account, _ = Account.objects.get_or_create(email="bench@example.org", defaults={"role": Account.Role.OPERATOR})
    headers = {"Authorization": f"Bearer {issue_token(account, 'bench')[1]}"}
    client = Client(SERVER_NAME="localhost")
    took = []
    for number in range(requests + 10):
        asked: dict[str, Any] = {"count": COUNT, "surface": "api", "listener": f"simulated-0-{number % listeners}"}
        started = time.perf_counter()
        answer = client.post("/api/v1/recommendations/", asked, content_type="application/json", headers=headers)
        took.append(1000 * (time.perf_counter() - started))
        if answer.status_code not in (200, 201):
            raise RuntimeError(f"a recommendation was refused: {answer.content.decode()[:300]}")
    return np.array(took[10:])  # the first ones load the policy and the track table


def quantile_with_interval(sample: np.ndarray, share: float) -> tuple[float, float, float]:
    """The quantile and its 95 % bootstrap interval."""
    generator = np.random.default_rng(0)
    drawn = np.quantile(generator.choice(sample, size=(1000, len(sample))), share, axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(np.quantile(sample, share)), float(low), float(high)


def add_rows(report: Report, name: str, options: Namespace) -> None:
    """Median and p95 of one policy."""
    took = milliseconds_of(options.requests, options.listeners)
    report.add(name, "median_milliseconds", *quantile_with_interval(took, 0.5))
    target = 60.0 if options.tracks >= WHOLE_CATALOGUE else None
    report.add(name, "p95_milliseconds", *quantile_with_interval(took, 0.95), target=target, smaller_is_better=True)


def main() -> int:
    """Measures and reports."""
    parser = make_parser(__doc__, seeds=1)
    parser.add_argument("--tracks", type=int, default=WHOLE_CATALOGUE, help="so many tunes; from 13,000 on all of them")
    parser.add_argument("--listeners", type=int, default=100)
    parser.add_argument("--requests", type=int, default=500)
    parser.add_argument("--updates", type=int, default=300, help="gradient steps of the training")
    options = read_options(parser)
    options.days = 1.0
    if options.quick:
        options.tracks, options.listeners, options.requests, options.updates = 120, 20, 40, 50
    report = Report("serving", options)
    os.environ["ENCORE_RATE_ACCOUNT"] = "1000000/min"  # the site is measured, not its limit for one client
    with throwaway_site() as folder:
        from recsys import catalogue
        from recsys.models import Track
        from recsys.simulation import Population

        if options.tracks >= WHOLE_CATALOGUE:
            catalogue.import_collections()
        else:
            catalogue.import_first(options.tracks)
        folder = folder / "var" / "bench"
        folder.mkdir(parents=True)
        population = Population.make(listeners=options.listeners, seed=0, start=START)
        world = World(population=population, options=options, folder=folder, seed=0)
        serve_by("popularity", "")
        say(f"{Track.objects.count()} tracks; {population.live(world.end_of(0))} sessions under popularity")
        report.note(f"{Track.objects.count()} tracks, slates of {COUNT}, one client in the process of the site")
        add_rows(report, "popularity", options)
        fit_dqn(world, 1)
        add_rows(report, "ours", options)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
