"""Staff see pieces and commissions, approve shared pieces, and change nothing else."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import Account
from composer.composing import commission, compose_commission
from composer.models import Piece
from composer.steering import Steering
from recsys.models import Track

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(client: Client) -> Client:
    """The owner's browser."""
    client.force_login(Account.objects.create_superuser("owner@example.org", "a long pass phrase"))
    return client


@pytest.fixture
def piece(alice: Account, composer_version: object) -> Piece:
    """A piece of Alice's."""
    compose_commission(commission(alice.listener, Steering.from_json({"style": "jig", "bars": 4}), seed=1).pk)
    return Piece.objects.get()


def approve(staff: Client, piece: Piece, action: str = "approve") -> None:
    answer = staff.post("/admin/composer/piece/", {"action": action, "_selected_action": [piece.pk]})
    assert answer.status_code == 302


def test_an_approved_shared_piece_may_be_recommended_to_others(staff: Client, piece: Piece) -> None:
    Track.objects.filter(pk=piece.track_id).update(is_shared=True)
    approve(staff, piece)
    assert piece.track in Track.objects.recommendable()

    approve(staff, piece, "take_back_approval")
    assert piece.track not in Track.objects.recommendable()


def test_a_private_piece_can_not_be_approved(staff: Client, piece: Piece) -> None:
    approve(staff, piece)

    assert not Track.objects.get(pk=piece.track_id).is_approved


@pytest.mark.parametrize("page", ["piece/", "commission/"])
def test_lists_are_shown_and_nothing_is_added_by_hand(staff: Client, piece: Piece, page: str) -> None:
    assert piece.track.title in staff.get("/admin/composer/piece/").content.decode()
    assert staff.get(f"/admin/composer/{page}").status_code == 200
    assert staff.get(f"/admin/composer/{page}add/").status_code == 403


def test_a_piece_and_its_commission_can_be_looked_at(staff: Client, piece: Piece) -> None:
    assert staff.get(f"/admin/composer/piece/{piece.pk}/change/").status_code == 200
    assert staff.get(f"/admin/composer/commission/{piece.commission.pk}/change/").status_code == 200
