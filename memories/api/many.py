"""Bulk changes through the management API: the console's selection contract, in JSON."""

from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from rest_framework import serializers
from rest_framework.response import Response

from agents.models import Agent
from ibex.api import StrictSerializer, Text
from ibex.filtering import ListFilter
from ibex.selection import (
    IDS,
    MAX_IDS,
    QUERY,
    BulkAction,
    Selection,
    SelectionChanged,
    act_on,
    select,
)
from jobs.api import accepted
from jobs.bulk import enqueue_bulk
from memories.bulk import ACTIONS
from orgs.authentication import Caller

M = TypeVar("M", bound=Model)


class Chosen(StrictSerializer):
    """Which rows: their ids, or a filter of the list with how many it finds."""

    ids = serializers.ListField(
        child=serializers.UUIDField(), required=False, allow_empty=False, max_length=MAX_IDS
    )
    filter = serializers.DictField(
        child=serializers.CharField(),
        required=False,
        help_text="The list's query parameters; `{}` is all of them.",
    )
    expected = serializers.IntegerField(
        min_value=0, required=False, help_text="Required with `filter`."
    )
    reason = Text(default="", allow_blank=True, max_length=500)

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        """Ask for exactly one of the two. No ids never means all rows."""
        if ("ids" in given) == ("filter" in given):
            raise serializers.ValidationError({"ids": ["Give either ids or a filter."]})
        if "filter" in given and "expected" not in given:
            raise serializers.ValidationError({"expected": ["Required with a filter."]})
        return given


class BulkChange(Chosen):
    """One change to many memories."""

    action = serializers.ChoiceField(sorted(ACTIONS))
    add = serializers.ListField(child=Text(max_length=64), default=list, max_length=20)
    remove = serializers.ListField(child=Text(max_length=64), default=list, max_length=20)

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        """Tags come with the action `tag`, and with no other."""
        has_tags = bool(given["add"] or given["remove"])
        if has_tags != (given["action"] == "tag"):
            message = "Tags to add or to remove come with the action tag."
            raise serializers.ValidationError({"action": [message]})
        return super().validate(given)


class BulkOutcome(serializers.Serializer[Any]):
    """What became of the rows: changed or as asked already, and those that could not be."""

    done = serializers.IntegerField()
    refused = serializers.IntegerField()
    reasons = serializers.ListField(child=serializers.CharField())


def read_bulk(
    asked: dict[str, Any], kind: type[ListFilter], rows: QuerySet[M], caller: Caller
) -> Selection[M]:
    """Find what was chosen among the caller's `rows`. Raises `SelectionChanged`.

    An id that is not there makes the count another: nothing is changed then.
    """
    if "ids" in asked:
        ids = sorted(set(asked["ids"]))
        selection = select(IDS, rows.filter(pk__in=ids), "selected by hand")
        expected = asked.get("expected", len(ids))
    else:
        filters = kind(
            asked["filter"], rows, org_id=caller.org_id, agent_id=caller.agent_id, is_strict=True
        )
        found = filters.rows_or_refuse()
        selection = select(QUERY, found, filters.words, canonical=filters.canonical)
        expected = asked["expected"]
    if selection.count != expected:
        raise SelectionChanged(expected, selection.count)
    return selection


def change(
    selection: Selection[M],
    action: BulkAction[M],
    caller: Caller,
    *,
    kind: str,
    reason: str,
    **options: Any,
) -> Response:
    """Change the selected rows at once and say what became of them; too many become a job (202).

    `kind` names the job. A token of one agent makes a job of that agent.
    """
    if selection.needs_job:
        agent = Agent.objects.get(pk=caller.agent_id) if caller.agent_id else None
        job = enqueue_bulk(
            org_id=caller.org_id,
            kind=kind,
            selection=selection,
            action=action,
            actor=caller.actor,
            agent=agent,
            reason=reason,
            **options,
        )
        return accepted(job)
    outcome = act_on(selection, action, caller.actor, reason, **options)
    reasons = [one.message for one in outcome.refusals]
    return Response({"done": outcome.done, "refused": outcome.refused, "reasons": reasons})
