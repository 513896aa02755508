"""What agents learn: memories with their history, passages of turns, and the text index."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from pgvector.django import HalfVectorField, HnswIndex

from agents.models import Agent
from ibex.fields import EnumField
from orgs.models import Organization, OrgQuerySet, TenantModel
from sessions.models import Session, Turn

EMBEDDING_DIM = 384
MAX_CONTENT_BYTES = 10_000


class Category(models.TextChoices):
    """What kind of thing is known; recency fades at a different pace for each."""

    FACTUAL = "factual"
    PREFERENCE = "preference"
    BEHAVIORAL = "behavioral"
    EPISODIC = "episodic"
    PROCEDURAL = "procedural"


class ItemKind(models.IntegerChoices):
    """What can be found and recalled."""

    MEMORY = 0
    PASSAGE = 1


class SearchableModel(TenantModel):
    """What memories and passages share: an embedding, and terms for the text index.

    `embedding`, its model and its dimension are all set or all null; while they are null the
    row is found by text, and `embed_after` says when the embedding is due.
    """

    embedding = HalfVectorField(dimensions=EMBEDDING_DIM, null=True, editable=False)
    embedding_model = models.CharField(max_length=64, null=True, editable=False)  # noqa: DJ001
    embedding_dim = models.PositiveSmallIntegerField(null=True, editable=False)
    embed_after = models.DateTimeField(null=True, editable=False)
    embed_claimed_until = models.DateTimeField(null=True, editable=False)
    terms = models.JSONField(default=dict, editable=False, help_text="Stemmed term → frequency.")
    length = models.PositiveIntegerField(default=0, editable=False, help_text="In terms.")
    injection_risk = models.FloatField(default=0.0)

    class Meta:
        abstract = True


def embedding_is_whole(name: str) -> models.CheckConstraint:
    """Build the CHECK that an embedding comes with its model and dimension, or not at all."""
    nothing = Q(embedding=None, embedding_model=None, embedding_dim=None)
    whole = Q(embedding__isnull=False, embedding_model__isnull=False, embedding_dim__isnull=False)
    return models.CheckConstraint(name=name, condition=nothing | whole)


class MemoryQuerySet(OrgQuerySet["Memory"]):
    """Words for lists of memories."""

    def active(self) -> "MemoryQuerySet":
        """Keep what agents may use now."""
        return self.filter(status=Memory.Status.ACTIVE)


class Memory(SearchableModel):
    """One thing an agent has learned.

    Every change leaves a version behind, so an operator can always see what the agent
    believed, and when.
    """

    class Source(models.TextChoices):
        """Where it came from."""

        EXTRACTED = "extracted"
        USER_PROVIDED = "user_provided"
        IMPORTED = "imported"
        INFERRED = "inferred"

    class Status(models.TextChoices):
        """Only active memories are ever retrieved."""

        ACTIVE = "active"
        SUPERSEDED = "superseded"
        MERGED = "merged"
        ARCHIVED = "archived"
        QUARANTINED = "quarantined"
        PENDING_REVIEW = "pending_review"
        DELETED = "deleted"

    class Visibility(models.TextChoices):
        """Who sees it: its agent, every agent of the org, or one session."""

        AGENT = "agent"
        ORG = "org"
        SESSION = "session"

    agent = models.ForeignKey(Agent, models.CASCADE, related_name="memories", db_constraint=False)
    subject = models.CharField(max_length=128, null=True, blank=True)  # noqa: DJ001 - null: everyone
    session = models.ForeignKey(
        Session,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        db_constraint=False,
        help_text="The only session that sees it; set exactly when visibility is `session`.",
    )
    content = models.TextField()
    content_hash = models.CharField(max_length=64, editable=False)
    category = EnumField(choices=Category, default=Category.FACTUAL)
    confidence = models.FloatField(default=0.80)
    usefulness = models.FloatField(default=0.50)
    source = EnumField(choices=Source, default=Source.EXTRACTED)
    status = EnumField(choices=Status, default=Status.ACTIVE)
    visibility = EnumField(choices=Visibility, default=Visibility.AGENT)
    subject_key = models.CharField(max_length=200, blank=True)
    pinned = models.BooleanField(default=False)
    tags = ArrayField(models.CharField(max_length=64), default=list, blank=True)
    valid_from = models.DateTimeField(default=timezone.now)
    valid_until = models.DateTimeField(null=True, blank=True)
    observed_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)
    source_turns = ArrayField(models.UUIDField(), default=list, editable=False)
    pii = ArrayField(models.CharField(max_length=16), default=list, editable=False)
    retrieved_count = models.PositiveBigIntegerField(default=0, editable=False)
    injected_count = models.PositiveBigIntegerField(default=0, editable=False)
    positive_count = models.PositiveIntegerField(default=0, editable=False)
    negative_count = models.PositiveIntegerField(default=0, editable=False)
    last_injected_at = models.DateTimeField(null=True, editable=False)
    updated_at = models.DateTimeField(default=timezone.now)

    objects = MemoryQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.CheckConstraint(
                name="memory_confidence_is_a_probability",
                condition=Q(confidence__range=(0, 1)),
                violation_error_message="Confidence must be between 0 and 1.",
            ),
            models.CheckConstraint(
                name="memory_usefulness_is_a_probability", condition=Q(usefulness__range=(0, 1))
            ),
            models.CheckConstraint(
                name="memory_ends_after_it_begins",
                condition=Q(valid_until=None) | Q(valid_until__gte=F("valid_from")),
                violation_error_message="A memory cannot end before it begins.",
            ),
            models.CheckConstraint(
                name="memory_of_one_session_names_it",
                condition=Q(visibility="session", session__isnull=False)
                | (~Q(visibility="session") & Q(session=None)),
            ),
            embedding_is_whole("memory_embedding_is_whole"),
            models.UniqueConstraint(
                fields=["agent", "content_hash", "subject", "session"],
                condition=Q(status="active"),
                nulls_distinct=False,
                name="an_active_memory_is_known_once",
            ),
        ]
        indexes = [
            models.Index(fields=["org", "-created_at", "-id"], name="memories_of_an_org_by_time"),
            models.Index(
                fields=["org", "agent", "-created_at", "-id"], name="memories_of_an_agent_by_time"
            ),
            models.Index(fields=["agent", "content_hash"], name="memories_by_content"),
            models.Index(
                fields=["agent", "subject_key", "subject"],
                condition=Q(status="active") & ~Q(subject_key=""),
                name="memories_about_one_thing",
            ),
            models.Index(
                fields=["embed_after"],
                condition=Q(embed_after__isnull=False),
                name="memories_due_for_embedding",
            ),
            models.Index(
                fields=["org", "agent"],
                condition=Q(status="active", pinned=True),
                name="pinned_memories",
            ),
            models.Index(
                fields=["org", "id"],
                condition=Q(status="active", visibility="org"),
                name="memories_shared_in_an_org",
            ),
            models.Index(
                fields=["org", "status", "-created_at", "-id"],
                condition=~Q(status="active"),
                name="memories_out_of_use_by_time",
            ),
            models.Index(
                fields=["org", "subject", "-created_at", "-id"],
                condition=Q(subject__isnull=False),
                name="memories_of_a_subject_by_time",
            ),
            models.Index(
                fields=["org", "-created_at", "-id"],
                condition=Q(pinned=True),
                name="pinned_memories_by_time",
            ),
            models.Index(
                fields=["org", "-created_at", "-id"],
                condition=~Q(pii=[]),
                name="memories_with_personal_data",
            ),
            models.Index(fields=["org", "-confidence", "-id"], name="memories_by_confidence"),
            models.Index(fields=["org", "-usefulness", "-id"], name="memories_by_usefulness"),
            BrinIndex(  # a new sighting moves the time, and a B-tree would cost it every index
                fields=["observed_at"], name="memories_by_observation", autosummarize=True
            ),
            HnswIndex(
                fields=["embedding"],
                name="memories_by_meaning",
                opclasses=["halfvec_cosine_ops"],
                condition=Q(status="active"),
            ),
        ]

    def __str__(self) -> str:
        return f"Memory {self.pk}"


class MemorySource(models.Model):
    """That a memory was made from a turn: `Memory.source_turns`, to be found by the turn.

    The database keeps it, by a trigger, as it keeps an index. A GIN index on the array is out of
    reach under row-level security: its operators are not leakproof (ADR 0035).
    """

    pk = models.CompositePrimaryKey("org", "turn_id", "memory")
    org = models.ForeignKey(Organization, models.CASCADE, related_name="+", db_index=False)
    turn_id = models.UUIDField(help_text="Of a turn, which may be gone.")
    memory = models.ForeignKey(
        Memory, models.DO_NOTHING, related_name="sources", db_constraint=False
    )

    objects = OrgQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.memory_id} from {self.turn_id}"


class MemoryTag(models.Model):
    """That a memory has a tag: `Memory.tags`, to be found by the tag. The database keeps it."""

    pk = models.CompositePrimaryKey("org", "tag", "memory")
    org = models.ForeignKey(Organization, models.CASCADE, related_name="+", db_index=False)
    tag = models.CharField(max_length=64)
    memory = models.ForeignKey(Memory, models.DO_NOTHING, related_name="+", db_constraint=False)

    objects = OrgQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.tag} on {self.memory_id}"


class MemoryUse(models.Model):
    """How often a memory stood in a prompt, for those that ever did. The database keeps it.

    `Memory.injected_count` has no index: with one, each recall would write all indexes of a
    memory's row anew, the vector's too.
    """

    memory = models.OneToOneField(
        Memory, models.DO_NOTHING, primary_key=True, related_name="use", db_constraint=False
    )
    org = models.ForeignKey(Organization, models.CASCADE, related_name="+", db_index=False)
    injected_count = models.PositiveBigIntegerField()

    objects = OrgQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["org", "-injected_count", "-memory"], name="memories_by_use"),
        ]

    def __str__(self) -> str:
        return f"{self.injected_count} of {self.memory_id}"


class MemoryLabel(TenantModel):
    """One of a memory's 1 to 5 categories, with how sure the extractor was."""

    memory = models.ForeignKey(Memory, models.CASCADE, related_name="labels", db_constraint=False)
    label = EnumField(choices=Category)
    confidence = models.FloatField(default=1.0)

    objects = OrgQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["memory", "label"], name="a_memory_has_a_label_once"),
        ]

    def __str__(self) -> str:
        return str(self.label)


class MemoryVersion(TenantModel):
    """How a memory stood after one change, who changed it and why. Append-only."""

    class Operation(models.TextChoices):
        """What was done."""

        CREATE = "create"
        UPDATE = "update"
        SUPERSEDE = "supersede"
        MERGE = "merge"
        ARCHIVE = "archive"
        RESTORE = "restore"
        DELETE = "delete"

    memory = models.ForeignKey(Memory, models.CASCADE, related_name="versions", db_constraint=False)
    number = models.PositiveIntegerField()
    operation = EnumField(choices=Operation)
    content = models.TextField()
    fields = models.JSONField(help_text="The other values an operator can see and change.")
    actor_type = models.CharField(max_length=16)
    actor_id = models.UUIDField(null=True)
    actor_label = models.CharField(max_length=255)
    reason = models.TextField(blank=True)
    request_id = models.CharField(
        max_length=64, blank=True, help_text="Of the request that changed it; a bulk shares one."
    )

    objects = OrgQuerySet.as_manager()

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["memory", "number"], name="memory_versions_are_numbered_once"
            ),
        ]
        indexes = [
            models.Index(
                fields=["org", "request_id"],
                condition=~Q(request_id=""),
                name="memory_versions_of_a_request",
            ),
        ]

    def __str__(self) -> str:
        return f"Version {self.number}"


class MemoryRelationship(TenantModel):
    """A directed edge between two memories: the source supersedes, contradicts… the target."""

    class Type(models.TextChoices):
        """How the source stands to the target."""

        SUPERSEDES = "supersedes"
        CONTRADICTS = "contradicts"
        SPECIALIZES = "specializes"
        GENERALIZES = "generalizes"
        MERGED_FROM = "merged_from"
        DERIVED_FROM = "derived_from"

    source = models.ForeignKey(Memory, models.CASCADE, related_name="outgoing", db_constraint=False)
    target = models.ForeignKey(Memory, models.CASCADE, related_name="incoming", db_constraint=False)
    type = EnumField(choices=Type)

    objects = OrgQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["source", "target", "type"], name="memory_edges_are_drawn_once"
            ),
            models.CheckConstraint(
                name="a_memory_has_no_edge_to_itself", condition=~Q(source=F("target"))
            ),
        ]

    def __str__(self) -> str:
        return str(self.type)


class Passage(SearchableModel):
    """What of a turn can be found again: redacted text of one part of it.

    Part 0 is what the user said, parts 1 and 2 the answer.
    """

    class Status(models.TextChoices):
        """Hidden passages are kept, so that indexing a turn twice does nothing."""

        SEARCHABLE = "searchable"
        HIDDEN = "hidden"

    class Role(models.TextChoices):
        """Who said it."""

        USER = "user"
        ASSISTANT = "assistant"

    agent = models.ForeignKey(Agent, models.CASCADE, related_name="+", db_constraint=False)
    subject = models.CharField(max_length=128, null=True, blank=True)  # noqa: DJ001 - null: everyone
    session = models.ForeignKey(
        Session, models.CASCADE, related_name="passages", db_constraint=False
    )
    turn = models.ForeignKey(Turn, models.CASCADE, related_name="passages", db_constraint=False)
    turn_index = models.PositiveIntegerField()
    part = models.PositiveSmallIntegerField()
    role = EnumField(choices=Role)
    text = models.TextField()
    status = EnumField(choices=Status, default=Status.SEARCHABLE)
    hidden_because = models.CharField(max_length=64, blank=True)
    loop_guarded = models.BooleanField(
        default=False,
        db_default=False,
        help_text="What IBEX had injected was cut out of it, or it is an echo of that.",
    )
    said_at = models.DateTimeField()

    objects = OrgQuerySet.as_manager()

    class Meta:
        ordering = ["session", "turn_index", "part"]
        constraints = [
            models.UniqueConstraint(fields=["turn", "part"], name="a_turn_is_indexed_once"),
            embedding_is_whole("passage_embedding_is_whole"),
        ]
        indexes = [
            models.Index(fields=["session", "turn_index"], name="passages_of_a_session"),
            models.Index(
                fields=["embed_after"],
                condition=Q(embed_after__isnull=False),
                name="passages_due_for_embedding",
            ),
            models.Index(
                fields=["agent", "subject"],
                condition=Q(status="searchable"),
                name="passages_of_an_agent",
            ),
            models.Index(
                fields=["org", "agent", "-said_at", "turn"],
                condition=Q(loop_guarded=True),
                name="passages_the_loop_guard_cut",
            ),
            HnswIndex(
                fields=["embedding"],
                name="passages_by_meaning",
                opclasses=["halfvec_cosine_ops"],
                condition=Q(status="searchable"),
            ),
        ]

    def __str__(self) -> str:
        return f"Part {self.part} of turn {self.turn_index}"


class DeadLetterQuerySet(OrgQuerySet["DeadLetter"]):
    """Words for lists of dead letters."""

    def open(self) -> "DeadLetterQuerySet":
        """Keep what nobody has learned from yet."""
        return self.filter(resolved_at=None)

    def resolved(self) -> "DeadLetterQuerySet":
        """Keep what was learned from after all."""
        return self.exclude(resolved_at=None)


class DeadLetter(TenantModel):
    """Turns of a session that the extractor could not learn from. They are kept, and findable.

    It names the turns and holds none of their text. It is due when `retry_after` is set, which an
    operator does; `attempts` counts how often learning from these turns was begun. Turns that fail
    together again are learned from one by one: it then names those that are left, and each that
    fails alone gets a dead letter of its own.
    """

    class Reason(models.TextChoices):
        """Why the extractor's answer could not be used."""

        NOT_JSON = "not_json", "The answer was not JSON"
        SCHEMA = "schema", "The answer did not fit the schema"
        REFUSAL = "refusal", "The model refused"
        TRUNCATED = "truncated", "The answer was cut off"
        EMPTY = "empty", "The answer was empty"
        REQUEST_REFUSED = "request_refused", "The provider refused the request"

    agent = models.ForeignKey(Agent, models.CASCADE, related_name="+", db_constraint=False)
    session = models.ForeignKey(
        Session, models.CASCADE, related_name="dead_letters", db_constraint=False
    )
    first_turn = models.PositiveIntegerField(help_text="Index of the first of the turns.")
    last_turn = models.PositiveIntegerField(help_text="Index of the last of them.")
    reason = EnumField(choices=Reason)
    extractor = models.CharField(max_length=255, help_text="With the version of its prompt.")
    attempts = models.PositiveIntegerField(default=1)
    retry_after = models.DateTimeField(null=True, blank=True)
    claimed_until = models.DateTimeField(null=True, blank=True)
    resolved_at = models.DateTimeField(null=True, blank=True)

    objects = DeadLetterQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.CheckConstraint(
                name="a_dead_letter_has_turns", condition=Q(last_turn__gte=F("first_turn"))
            ),
            models.CheckConstraint(
                name="a_resolved_dead_letter_is_not_due",
                condition=Q(resolved_at=None) | Q(retry_after=None),
            ),
        ]
        indexes = [
            models.Index(fields=["org", "-created_at", "-id"], name="dead_letters_by_time"),
            models.Index(
                fields=["retry_after"],
                condition=Q(retry_after__isnull=False),
                name="dead_letters_due",
            ),
        ]

    def __str__(self) -> str:
        return f"Turns {self.first_turn} to {self.last_turn}"


class Recall(TenantModel):
    """That a memory or a passage stood in the prompt of one turn.

    It is a memory's recall log, and it leads from what is deleted to the answers that repeated it.
    """

    turn = models.ForeignKey(Turn, models.CASCADE, related_name="recalls", db_constraint=False)
    item_id = models.UUIDField(help_text="Of a memory or a passage; either may be gone.")
    kind = models.PositiveSmallIntegerField(choices=ItemKind)
    rank = models.PositiveSmallIntegerField()
    score = models.FloatField()

    objects = OrgQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["turn", "item_id"], name="an_item_is_recalled_once")
        ]
        indexes = [
            models.Index(
                fields=["item_id", "-created_at", "-id"], name="recalls_of_an_item_by_time"
            )
        ]

    def __str__(self) -> str:
        return f"{self.item_id} in {self.turn_id}"


class Posting(models.Model):
    """One term of one searchable item. The key covers all columns, so a search reads the index.

    GIN is out of reach under row-level security: its operators are not leakproof (ADR 0035).
    """

    Kind = ItemKind

    pk = models.CompositePrimaryKey("org", "agent", "term", "item_id")
    org = models.ForeignKey(Organization, models.CASCADE, related_name="+", db_index=False)
    agent = models.ForeignKey(
        Agent, models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    term = models.CharField(max_length=64)
    item_id = models.UUIDField(db_index=True)
    kind = models.PositiveSmallIntegerField(choices=Kind)
    subject = models.CharField(max_length=128, null=True)  # noqa: DJ001 - null: everyone
    frequency = models.PositiveSmallIntegerField()
    length = models.PositiveIntegerField()

    objects = OrgQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.term} x {self.frequency}"


class TermStatistics(models.Model):
    """In how many of an agent's searchable items a term occurs."""

    pk = models.CompositePrimaryKey("org", "agent", "term")
    org = models.ForeignKey(Organization, models.CASCADE, related_name="+", db_index=False)
    agent = models.ForeignKey(
        Agent, models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    term = models.CharField(max_length=64)
    documents = models.PositiveIntegerField()

    objects = OrgQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.term} in {self.documents}"


class CorpusStatistics(models.Model):
    """How many searchable items an agent has, and how long they are together, in terms."""

    pk = models.CompositePrimaryKey("org", "agent")
    org = models.ForeignKey(Organization, models.CASCADE, related_name="+", db_index=False)
    agent = models.ForeignKey(
        Agent, models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    documents = models.PositiveIntegerField(default=0)
    total_length = models.PositiveBigIntegerField(default=0)

    objects = OrgQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.documents} items"
