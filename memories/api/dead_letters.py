"""The management API of dead letters: turns that could not be learned from."""

from typing import Any, ClassVar
from uuid import UUID

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from ibex.api import OrgViewSet, Reason, filter_query
from ibex.openapi import documented, page_of
from jobs.api import JobSerializer
from memories.api.many import BulkOutcome, Chosen, change, read_bulk
from memories.jobs import LETTERS
from memories.learning.dead_letters import retry_dead_letter
from memories.models import DeadLetter
from memories.steering.dead_letters import RETRY, DeadLetterFilter
from orgs.permissions import Permission


class DeadLetterSerializer(serializers.ModelSerializer[DeadLetter]):
    """Turns that could not be learned from; where their words are, not the words."""

    class Meta:
        model = DeadLetter
        fields = [
            "id",
            "agent_id",
            "session_id",
            "first_turn",
            "last_turn",
            "reason",
            "extractor",
            "attempts",
            "retry_after",
            "resolved_at",
            "created_at",
        ]


class DeadLetterViewSet(OrgViewSet[DeadLetter]):
    """See what could not be learned from, and have it tried again."""

    queryset = DeadLetter.objects.all()
    required: ClassVar = {
        "list": Permission.JOB_MANAGE,
        "retry": Permission.JOB_MANAGE,
        "retry_many": Permission.JOB_MANAGE,
    }

    @documented(query=filter_query(DeadLetterFilter), answers=page_of(DeadLetterSerializer))
    def list(self, _request: Request) -> Response:
        """List dead letters, newest first."""
        letters, query = self.filtered(DeadLetterFilter)
        return self.page(letters, query, DeadLetterSerializer().to_representation)

    @documented(takes=Reason, answers=DeadLetterSerializer, refuses={409: ["DEAD_LETTER_RESOLVED"]})
    def retry(self, request: Request, **_ids: UUID) -> Response:
        """Make the turns due at once. 409 when they have been learned from."""
        letter = self.get_object()
        reason = self.read(Reason, request.data)["reason"]
        letter = retry_dead_letter(dead_letter=letter, actor=self.caller.actor, reason=reason)
        return Response(DeadLetterSerializer(letter).data)

    @documented(
        takes=Chosen,
        answers={200: BulkOutcome, 202: JobSerializer},
        refuses={409: ["SELECTION_CHANGED"]},
    )
    def retry_many(self, request: Request) -> Response:
        """Make the turns of many dead letters due at once; over 500 become a job (202).

        With `filter`, `expected` is the number of dead letters that it finds; when it is another by
        now, nothing is changed.
        """
        asked: dict[str, Any] = self.read(Chosen, request.data)
        selection = read_bulk(asked, DeadLetterFilter, self.get_queryset(), self.caller)
        return change(selection, RETRY, self.caller, kind=LETTERS, reason=asked["reason"])
