"""What the APIs take and show of memories."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from agents.models import Agent
from ibex.api import OrgRelatedField, PageQuery, Probability, StrictSerializer, Text
from memories.models import MAX_CONTENT_BYTES, Category, Memory, MemoryLabel, MemoryVersion
from memories.retrieval.candidates import Scores
from memories.writing.conflicts import Outcome
from memories.writing.history import latest_number

MAX_QUERY_CHARACTERS = 10_000
MAX_FOUND = 50
SHARED = [
    (choice.value, choice.label) for choice in (Memory.Visibility.AGENT, Memory.Visibility.ORG)
]


class LabelSerializer(serializers.ModelSerializer[MemoryLabel]):
    """One label of a memory."""

    class Meta:
        model = MemoryLabel
        fields = ["label", "confidence"]


class MemorySerializer(serializers.ModelSerializer[Memory]):
    """A memory as the APIs show it."""

    labels = LabelSerializer(many=True, read_only=True)

    class Meta:
        model = Memory
        fields = [
            "id",
            "agent_id",
            "subject",
            "content",
            "category",
            "labels",
            "confidence",
            "usefulness",
            "status",
            "source",
            "visibility",
            "subject_key",
            "pinned",
            "tags",
            "valid_from",
            "valid_until",
            "observed_at",
            "expires_at",
            "created_at",
            "updated_at",
            "source_turns",
        ]


class MemoryDetail(MemorySerializer):
    """A memory with all that operators may know of it."""

    version = serializers.SerializerMethodField(
        help_text="Number of its newest version; `base_version` of a change made from this."
    )

    class Meta(MemorySerializer.Meta):
        fields = [
            *MemorySerializer.Meta.fields,
            "session_id",
            "injection_risk",
            "pii",
            "embedding_model",
            "embedding_dim",
            "retrieved_count",
            "injected_count",
            "positive_count",
            "negative_count",
            "last_injected_at",
            "version",
        ]

    def get_version(self, memory: Memory) -> int:
        """Count the versions that are kept."""
        return latest_number(memory)


class WrittenMemory(MemorySerializer):
    """A memory, and what became of what was to be remembered."""

    outcome = serializers.ChoiceField([outcome.value for outcome in Outcome])

    class Meta(MemorySerializer.Meta):
        fields = [*MemorySerializer.Meta.fields, "outcome"]


class ScoreParts(serializers.Serializer[Scores]):
    """What a score is made of, in the order in which the parts build on each other."""

    bm25 = serializers.FloatField()
    cosine = serializers.FloatField(allow_null=True, help_text="Null without a vector.")
    share = serializers.FloatField(help_text="How much of the question's idf the words match.")
    z_bm25 = serializers.FloatField()
    z_cosine = serializers.FloatField()
    relevance = serializers.FloatField()
    smoothed = serializers.FloatField()
    recency = serializers.FloatField()
    usefulness = serializers.FloatField()
    confidence = serializers.FloatField()
    final = serializers.FloatField()


class FoundMemory(MemorySerializer):
    """A memory that a search found, the best first."""

    score = serializers.FloatField()
    scores = ScoreParts()

    class Meta(MemorySerializer.Meta):
        fields = [*MemorySerializer.Meta.fields, "score", "scores"]


class SearchResult(serializers.Serializer[Any]):
    """What a search found."""

    items = FoundMemory(many=True)
    degraded = serializers.BooleanField(
        help_text="The question could not be embedded; words alone were compared."
    )


class GivenLabel(StrictSerializer):
    """A label that a caller gives."""

    label = serializers.ChoiceField(Category.choices)  # type: ignore[assignment]  # DRF's own name
    confidence = Probability(default=1.0)


class MemoryValues(StrictSerializer):
    """What a caller may say about a memory, new or old."""

    category = serializers.ChoiceField(Category.choices, required=False)
    labels = serializers.ListField(
        child=GivenLabel(), required=False, allow_empty=False, max_length=5
    )
    confidence = Probability(required=False)
    visibility = serializers.ChoiceField(SHARED, required=False)
    subject_key = Text(required=False, allow_blank=True, max_length=200)
    pinned = serializers.BooleanField(required=False)
    tags = serializers.ListField(child=Text(max_length=64), required=False, max_length=20)
    valid_from = serializers.DateTimeField(required=False)
    valid_until = serializers.DateTimeField(required=False, allow_null=True)
    observed_at = serializers.DateTimeField(required=False)
    expires_at = serializers.DateTimeField(required=False, allow_null=True)

    def validate_labels(self, given: list[Mapping[str, Any]]) -> dict[str, float]:
        """Return the labels as the services take them; each once."""
        labels = {label["label"]: label["confidence"] for label in given}
        if len(labels) < len(given):
            raise serializers.ValidationError("Each label is given once.")
        return labels


class NewMemory(MemoryValues):
    """Something an agent is to remember."""

    content = Text(max_length=MAX_CONTENT_BYTES)
    subject = Text(required=False, allow_null=True, max_length=128)


class NewOrgMemory(NewMemory):
    """Something an operator has an agent remember."""

    agent_id = OrgRelatedField(queryset=Agent.objects.all())
    reason = Text(default="", allow_blank=True, max_length=500)


class MemoryChanges(MemoryValues):
    """Changes to a memory, and why. Not DRF's `partial`: that would reach into the labels."""

    content = Text(required=False, max_length=MAX_CONTENT_BYTES)
    usefulness = Probability(required=False)
    base_version = serializers.IntegerField(
        required=False, min_value=0, help_text="Refuse the change if there is a newer version."
    )
    reason = Text(default="", allow_blank=True, max_length=500)


class Feedback(StrictSerializer):
    """Whether a memory helped."""

    rating = serializers.ChoiceField(["positive", "negative", "neutral"])


class MemoryQuery(PageQuery):
    """The filters of an agent's list of memories."""

    status = serializers.ChoiceField(Memory.Status.choices, required=False)
    category = serializers.ChoiceField(Category.choices, required=False)
    subject = Text(required=False, max_length=128)


class Question(StrictSerializer):
    """A search among an agent's memories."""

    query = Text(max_length=MAX_QUERY_CHARACTERS)
    subject = Text(required=False, allow_null=True, max_length=128)
    limit = serializers.IntegerField(min_value=1, max_value=MAX_FOUND, default=10)
    mode = serializers.ChoiceField(["hybrid", "semantic", "keyword"], default="hybrid")


class OrgQuestion(Question):
    """A search among the memories of the agent that it names."""

    agent_id = OrgRelatedField(queryset=Agent.objects.all())


class MemoryVersionSerializer(serializers.ModelSerializer[MemoryVersion]):
    """How a memory stood after one change, who changed it and why."""

    class Meta:
        model = MemoryVersion
        fields = [
            "number",
            "operation",
            "content",
            "fields",
            "actor_type",
            "actor_id",
            "actor_label",
            "reason",
            "request_id",
            "created_at",
        ]


class RelatedMemory(serializers.Serializer[Any]):
    """Another memory, and how it stands to the one that was asked about."""

    relation = serializers.CharField()
    memory = MemorySerializer()


class NearMemory(serializers.Serializer[Any]):
    """A memory in use of the same agent and subject, and how close its meaning is."""

    cosine = serializers.FloatField()
    memory = MemorySerializer()


class RelatedMemories(serializers.Serializer[Any]):
    """What stands in relation to a memory, and what is nearest to it in meaning."""

    edges = RelatedMemory(many=True)
    neighbours = NearMemory(many=True)


class ReviewDecision(StrictSerializer):
    """What is decided about a memory that waits; `keep_both` says each one's time."""

    decision = serializers.ChoiceField(["keep", "replace", "keep_both", "reject"])
    until = serializers.DateTimeField(required=False, help_text="When the others ceased to hold.")
    begins = serializers.DateTimeField(required=False, help_text="From when on this one holds.")
    reason = Text(default="", allow_blank=True, max_length=500)

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        """Take the two times with `keep_both`, and with no other decision."""
        has_times = {"until", "begins"} & set(given)
        wanted = {"until", "begins"} if given["decision"] == "keep_both" else set()
        if has_times != wanted:
            message = "The decision keep_both needs until and begins; the others take neither."
            raise serializers.ValidationError({"decision": [message]})
        return given
