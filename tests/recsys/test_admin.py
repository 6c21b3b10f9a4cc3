"""Staff approve pieces, change what feedback is worth, and read the log."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import Account
from recsys.models import RewardVersion, Track
from recsys.recommending import recommend
from recsys.rewards import active_weights

PAGES = ("track", "feedback", "recommendation", "rewardversion", "catalogueimport")


@pytest.fixture
def olgas_browser(olga: Account, client: Client) -> Client:
    client.force_login(olga)
    return client


@pytest.mark.parametrize("page", PAGES)
def test_every_list_shows(olgas_browser: Client, alice: Account, tracks: list[Track], page: str) -> None:
    recommend(alice.listener, count=2, surface="home")

    assert olgas_browser.get(f"/admin/recsys/{page}/").status_code == 200


def test_changed_weights_are_a_new_version(olgas_browser: Client, olga: Account) -> None:
    form = olgas_browser.get("/admin/recsys/rewardversion/add/").context["adminform"].form
    weights = {name: field.initial for name, field in form.fields.items()}

    response = olgas_browser.post("/admin/recsys/rewardversion/add/", weights | {"like": 3})

    assert response.status_code == 302
    assert active_weights().like == 3
    assert RewardVersion.objects.get(is_active=True).created_by == olga
    assert RewardVersion.objects.count() == 2


def test_weights_outside_their_bounds_are_refused(olgas_browser: Client) -> None:
    form = olgas_browser.get("/admin/recsys/rewardversion/add/").context["adminform"].form
    weights = {name: field.initial for name, field in form.fields.items()}

    response = olgas_browser.post("/admin/recsys/rewardversion/add/", weights | {"early_leave_share": 7})

    assert response.status_code == 200
    assert "between 0 and 1" in response.content.decode()


def test_a_version_and_a_row_of_the_log_can_be_read(olgas_browser: Client, alice: Account, tracks: list[Track]) -> None:
    active_weights()
    row = recommend(alice.listener, count=2, surface="home")

    assert olgas_browser.get(f"/admin/recsys/rewardversion/{RewardVersion.objects.get().pk}/change/").status_code == 200
    assert olgas_browser.get(f"/admin/recsys/recommendation/{row.pk}/change/").status_code == 200


def test_only_shared_pieces_are_approved(olgas_browser: Client, alices_piece: Track, track: Track) -> None:
    action = {"action": "approve", "_selected_action": [alices_piece.pk, track.pk]}

    olgas_browser.post("/admin/recsys/track/", action)
    assert not Track.objects.filter(is_approved=True).exists()

    Track.objects.filter(pk=alices_piece.pk).update(is_shared=True)
    olgas_browser.post("/admin/recsys/track/", action)
    assert list(Track.objects.filter(is_approved=True)) == [alices_piece]


def test_listeners_do_not_get_in(alice: Account, client: Client) -> None:
    client.force_login(alice)

    assert client.get("/admin/recsys/track/").status_code == 302
