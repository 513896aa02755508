from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AssembleRequest(_message.Message):
    __slots__ = ("org_id", "agent_id", "subject", "session_id", "memory_scope", "query", "budget_tokens", "max_items")
    ORG_ID_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    MEMORY_SCOPE_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    BUDGET_TOKENS_FIELD_NUMBER: _ClassVar[int]
    MAX_ITEMS_FIELD_NUMBER: _ClassVar[int]
    org_id: str
    agent_id: str
    subject: str
    session_id: str
    memory_scope: str
    query: str
    budget_tokens: int
    max_items: int
    def __init__(self, org_id: _Optional[str] = ..., agent_id: _Optional[str] = ..., subject: _Optional[str] = ..., session_id: _Optional[str] = ..., memory_scope: _Optional[str] = ..., query: _Optional[str] = ..., budget_tokens: _Optional[int] = ..., max_items: _Optional[int] = ...) -> None: ...

class Item(_message.Message):
    __slots__ = ("id", "kind", "score", "source_turn", "tokens")
    ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_TURN_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    id: str
    kind: str
    score: float
    source_turn: str
    tokens: int
    def __init__(self, id: _Optional[str] = ..., kind: _Optional[str] = ..., score: _Optional[float] = ..., source_turn: _Optional[str] = ..., tokens: _Optional[int] = ...) -> None: ...

class AssembleResponse(_message.Message):
    __slots__ = ("block", "items", "tokens", "level", "trace")
    BLOCK_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    TRACE_FIELD_NUMBER: _ClassVar[int]
    block: str
    items: _containers.RepeatedCompositeFieldContainer[Item]
    tokens: int
    level: str
    trace: bytes
    def __init__(self, block: _Optional[str] = ..., items: _Optional[_Iterable[_Union[Item, _Mapping]]] = ..., tokens: _Optional[int] = ..., level: _Optional[str] = ..., trace: _Optional[bytes] = ...) -> None: ...
