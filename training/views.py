"""The API of training: runs and slots. Before: accounts with the role viewer or operator. After: runs.py."""

from __future__ import annotations

from typing import cast

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.exceptions import ValidationError
from rest_framework.generics import GenericAPIView, ListAPIView, RetrieveAPIView, get_object_or_404
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.cursors import Pages
from accounts.models import Account
from accounts.permissions import IsOperator, IsViewer
from training import runs, slots
from training.configuration import WrongConfiguration
from training.models import Run, Slot
from training.runs import RunRefused
from training.serializers import RunDetailSerializer, RunRequestSerializer, RunSerializer, SlotSerializer


class RunPagination(Pages):
    """Newest first; stable while runs are added."""

    ordering = "-id"

    def read_position(self, text: str) -> int:
        """The number of a run."""
        return int(text)


class RunsView(ListAPIView[Run]):
    """Every run, newest first; POST asks for one."""

    query_names = {"GET": ("cursor",)}

    serializer_class = RunSerializer
    pagination_class = RunPagination
    queryset = Run.objects.prefetch_related("versions")

    def get_permissions(self) -> list[BasePermission]:
        """Viewers look, operators ask."""
        return [IsViewer() if self.request.method in SAFE_METHODS else IsOperator()]

    @extend_schema(request=RunRequestSerializer, responses={201: RunSerializer})
    def post(self, request: Request) -> Response:
        """Queues a run. 400 names the field and what is allowed; 409 where the slot has an open run."""
        asked = RunRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        wish = asked.validated_data
        if wish["slot"] not in {functions.name for functions in slots.registered()}:
            raise ValidationError({"slot": [f"must be one of {', '.join(one.name for one in slots.registered())}"]})
        try:
            run = runs.request_run(
                wish["slot"],
                Run.Trigger.API,
                cast(Account, request.user),
                wish["configuration"],
                parent=wish["parent"],
                seed=wish["seed"],
            )
        except WrongConfiguration as wrong:
            raise ValidationError({f"configuration.{wrong.field}".rstrip("."): [str(wrong)]}) from wrong
        except RunRefused as refusal:
            return Response({"detail": str(refusal)}, status=status.HTTP_409_CONFLICT)
        return Response(RunSerializer(run).data, status=status.HTTP_201_CREATED)


class RunView(RetrieveAPIView[Run]):
    """One run with its curves."""

    serializer_class = RunDetailSerializer
    permission_classes = [IsViewer]
    queryset = Run.objects.prefetch_related("versions")


class StopRunView(GenericAPIView[Run]):
    """Stops a run."""

    serializer_class = RunSerializer
    permission_classes = [IsOperator]
    queryset = Run.objects.prefetch_related("versions")

    @extend_schema(request=None, responses={202: RunSerializer})
    def post(self, request: Request, pk: int) -> Response:
        """Asks the run to stop; its worker does at its next report. 409 where it is over."""
        run = get_object_or_404(self.get_queryset(), pk=pk)
        try:
            runs.stop_run(run, cast(Account, request.user))
        except RunRefused as refusal:
            return Response({"detail": str(refusal)}, status=status.HTTP_409_CONFLICT)
        return Response(RunSerializer(run).data, status=status.HTTP_202_ACCEPTED)


class SlotsView(ListAPIView[Slot]):
    """Who serves in each slot."""

    serializer_class = SlotSerializer
    permission_classes = [IsViewer]
    pagination_class = None

    def get_queryset(self) -> QuerySet[Slot]:
        """Slots with their champions, challengers and verdicts."""
        related = Slot.objects.select_related("champion", "challenger")
        return related.prefetch_related("champion__verdicts", "challenger__verdicts").order_by("name")
