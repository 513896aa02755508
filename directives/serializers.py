"""Directives as the API takes and shows them."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from agents.models import Agent
from directives.models import MAX_REASON, NEVER_PUSHED, Directive, DirectiveDraft, DirectiveVersion
from directives.pushes import ProxyRow, PushStatus
from directives.usage import SAMPLE, Usage
from ibex.api import OrgRelatedField, PageQuery, StrictSerializer, Text
from ibex.counts import CAP

MAX_NUMBER = 2**31 - 1


class Number(serializers.IntegerField):
    """A version's number; 0 is the nothing before the first."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"min_value": NEVER_PUSHED, "max_value": MAX_NUMBER} | options)

    def to_internal_value(self, data: Any) -> int:
        """Refuse `true` and `"1"` in a body; a query's values are text anyway."""
        if isinstance(data, bool | float):
            self.fail("invalid")
        return int(super().to_internal_value(data))


class Why(StrictSerializer):
    """Why something is done: required, and kept in the audit."""

    reason = Text(max_length=MAX_REASON)


class NewVersion(Why):
    """A text to push. `base_version` is the version that it was written on top of."""

    content = Text(trim_whitespace=False)
    base_version = Number()
    injection_mode = serializers.ChoiceField(Directive.InjectionMode.choices, required=False)


class Copy(StrictSerializer):
    """The agent whose draft of the caller's own becomes a version.

    `revision` and `draft_id` name the save that it replaces, as for a draft; without them the
    caller has none there, or one that reads like the version.
    """

    to_agent_id = OrgRelatedField(queryset=Agent.objects.all())
    revision = serializers.IntegerField(default=0, min_value=0, max_value=MAX_NUMBER)
    draft_id = serializers.UUIDField(required=False, allow_null=True)


class RollBack(Why):
    """The version to return to; `base_version` is the one that is active now."""

    version = Number(min_value=1)
    base_version = Number()


class Placement(Why):
    """Where the text goes in the prompt; `base_version` is the version that is active now."""

    injection_mode = serializers.ChoiceField(Directive.InjectionMode.choices)
    base_version = Number(required=False)


class NewDraft(StrictSerializer):
    """What the caller is writing.

    `revision` is the save that it was written on top of, 0 for none; without it the text replaces
    whatever the caller saved. `draft_id` says of which draft that save was: after a push or a
    deletion the next one counts anew. `injection_mode` null leaves the place in the prompt as it
    is.
    """

    content = Text(trim_whitespace=False, allow_blank=True)
    base_version = Number()
    injection_mode = serializers.ChoiceField(
        Directive.InjectionMode.choices, required=False, allow_null=True
    )
    reason = Text(required=False, allow_blank=True, max_length=MAX_REASON)
    revision = serializers.IntegerField(required=False, min_value=0, max_value=MAX_NUMBER)
    draft_id = serializers.UUIDField(required=False, allow_null=True)


class DiffQuery(StrictSerializer):
    """Which two versions: by default the active one against the one before it."""

    base = Number(required=False)
    head = Number(required=False)
    ignore_whitespace = serializers.BooleanField(default=False)


class VersionQuery(PageQuery):
    """The list of versions takes a page alone."""


class VersionSummarySerializer(serializers.ModelSerializer[DirectiveVersion]):
    """A version without its text."""

    author = serializers.CharField(help_text="The operator's address, or the token's prefix.")
    rolled_back_from = serializers.SerializerMethodField()

    class Meta:
        model = DirectiveVersion
        fields = [
            "number",
            "injection_mode",
            "sha256",
            "size",
            "reason",
            "author",
            "created_by_id",
            "rolled_back_from",
            "created_at",
        ]

    def get_rolled_back_from(self, version: DirectiveVersion) -> int | None:
        """Return the number of the version that was copied."""
        return version.rolled_back_from.number if version.rolled_back_from else None


class UsageSerializer(serializers.Serializer[Usage]):
    """What came of a version; all but the sessions is of its latest calls."""

    sessions = serializers.IntegerField(
        help_text=f"Sessions whose latest turn ran it; {CAP + 1:,} is that or more."
    )
    calls = serializers.IntegerField(help_text=f"{SAMPLE:,} is that or more.")
    failed = serializers.IntegerField(help_text="Calls with an error.")
    tokens_per_turn = serializers.FloatField(allow_null=True, help_text="In and out, on average.")
    latency_p50_ms = serializers.FloatField(allow_null=True)


class ListedVersionSerializer(VersionSummarySerializer):
    """A version in the list: until when it was active, and what came of it.

    The context's `usage` holds the `Usage` of each version by its id.
    """

    replaced_at = serializers.DateTimeField(
        allow_null=True, help_text="When the next version took its place; null while it is active."
    )
    usage = serializers.SerializerMethodField()

    class Meta(VersionSummarySerializer.Meta):
        fields = [*VersionSummarySerializer.Meta.fields, "replaced_at", "usage"]

    @extend_schema_field(UsageSerializer)
    def get_usage(self, version: DirectiveVersion) -> Any:
        """Return what came of the version."""
        return UsageSerializer(self.context["usage"][version.pk]).data


class VersionSerializer(VersionSummarySerializer):
    """A version with its text."""

    class Meta(VersionSummarySerializer.Meta):
        fields = ["content", *VersionSummarySerializer.Meta.fields]


class DirectiveSerializer(serializers.Serializer[Any]):
    """What an agent runs; `active_version` is null before the first push."""

    agent_id = serializers.UUIDField()
    injection_mode = serializers.ChoiceField(Directive.InjectionMode.choices)
    active_version = VersionSerializer(allow_null=True)


class DraftSerializer(serializers.ModelSerializer[DirectiveDraft]):
    """The caller's draft; `revision` 0, no `draft_id` and no `updated_at` until it is saved."""

    draft_id = serializers.UUIDField(source="pk", allow_null=True)
    updated_at = serializers.DateTimeField(allow_null=True)

    class Meta:
        model = DirectiveDraft
        fields = [
            "agent_id",
            "draft_id",
            "content",
            "base_version",
            "injection_mode",
            "reason",
            "revision",
            "updated_at",
        ]


class PieceSerializer(serializers.Serializer[Any]):
    """Some consecutive text that stayed, came or went."""

    kind = serializers.ChoiceField(["same", "added", "removed"])
    text = serializers.CharField()


class LineSerializer(serializers.Serializer[Any]):
    """One line of one text."""

    number = serializers.IntegerField()
    pieces = PieceSerializer(many=True)


class DiffRowSerializer(serializers.Serializer[Any]):
    """A line of the old text, of the new one, or both."""

    kind = serializers.ChoiceField(["same", "changed", "added", "removed"])
    old = LineSerializer(allow_null=True)
    new = LineSerializer(allow_null=True)


class SettingSerializer(serializers.Serializer[Any]):
    """A setting that changed; null is the nothing before the first version."""

    name = serializers.CharField()
    before = serializers.CharField(allow_null=True)
    after = serializers.CharField(allow_null=True)


class DiffSerializer(serializers.Serializer[Any]):
    """Two versions line by line; `rows` is null when they differ in too much to compare.

    `settings` lists what changed beside the text: `injection_mode`, where it goes in the prompt.
    """

    base = serializers.IntegerField()
    head = serializers.IntegerField()
    settings = SettingSerializer(many=True)
    added_words = serializers.IntegerField(allow_null=True)
    removed_words = serializers.IntegerField(allow_null=True)
    rows = DiffRowSerializer(many=True, allow_null=True)


class ProxySerializer(serializers.Serializer[ProxyRow]):
    """One proxy: whether it runs the version, since when, and how long it took to."""

    id = serializers.UUIDField(source="proxy_id")
    name = serializers.CharField()
    state = serializers.ChoiceField(["acknowledged", "runs", "pending", "silent", "left"])
    since = serializers.DateTimeField(allow_null=True)
    took_ms = serializers.FloatField(allow_null=True)
    still_runs = serializers.IntegerField(
        allow_null=True, help_text="The version that a pending proxy answers with."
    )


class PushStatusSerializer(serializers.Serializer[PushStatus]):
    """Where a version has arrived, as the proxies said themselves."""

    number = serializers.IntegerField(source="version.number")
    is_active = serializers.BooleanField()
    pushed_at = serializers.DateTimeField()
    in_sync = serializers.IntegerField(help_text="How many connected proxies run it.")
    connected = serializers.SerializerMethodField()
    silent = serializers.SerializerMethodField()
    proxies = ProxySerializer(many=True)

    def get_connected(self, status: PushStatus) -> int:
        """Return how many proxies are connected and heard of."""
        return len(status.connected)

    def get_silent(self, status: PushStatus) -> int:
        """Return how many neither left nor are heard of; `since` says since when."""
        return len(status.silent)
