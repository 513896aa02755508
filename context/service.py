"""The gRPC door: who may ask, what a valid question is, and the answer on the wire."""

import hmac
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

import grpc
import grpc.aio

from context.assemble import Assembled, Assembler
from context.budget import item_tokens
from context.proto import context_pb2, context_pb2_grpc
from memories.retrieval import Query, limit_for

MAX_QUERY_CHARACTERS = 20_000
MAX_ITEMS = 200
Request = context_pb2.AssembleRequest
Call = grpc.aio.ServicerContext[Request, context_pb2.AssembleResponse]


class ContextAssembly(context_pb2_grpc.ContextAssemblyServicer):
    """Serves `ibex.context.v1.ContextAssembly` to processes that hold the service token."""

    def __init__(self, assembler: Assembler, service_token: str) -> None:
        self._assembler = assembler
        self._expected = f"Bearer {service_token}".encode()

    async def Assemble(self, request: Request, context: Call) -> context_pb2.AssembleResponse:  # noqa: N802 - named by the proto
        """Answer one question. Only a caller's own mistakes are errors."""
        await self._authenticate(context)
        try:
            query = read_query(request)
        except ValueError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        assembled = await self._assembler.assemble(
            query,
            budget_tokens=request.budget_tokens,
            max_items=min(request.max_items, MAX_ITEMS),
        )
        return write_answer(assembled)

    async def _authenticate(self, context: Call) -> None:
        given = dict(context.invocation_metadata() or ()).get("authorization", "")
        token = given if isinstance(given, bytes) else given.encode()
        if not hmac.compare_digest(token, self._expected):
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "The service token is not valid.")


def read_query(request: Request) -> Query:
    """Read a request. Raises `ValueError` that names the field at fault, never its content."""
    if not request.query.strip():
        raise ValueError("query is empty")
    return Query(
        org_id=_uuid("org_id", request.org_id),
        agent_id=_uuid("agent_id", request.agent_id),
        text=request.query[:MAX_QUERY_CHARACTERS].replace("\x00", " "),
        now=datetime.now(UTC),
        subject=request.subject or None,
        session_id=_uuid("session_id", request.session_id) if request.session_id else None,
        memory_scope=_scope(request.memory_scope),
        limit=limit_for(request.max_items),
    )


def write_answer(assembled: Assembled) -> context_pb2.AssembleResponse:
    """Put an assembly on the wire."""
    items = [
        context_pb2.Item(
            id=str(item.id),
            kind=item.kind,
            score=item.score,
            source_turn=str(item.turns[0]) if item.turns else "",
            tokens=item_tokens(item),
        )
        for item in assembled.items
    ]
    return context_pb2.AssembleResponse(
        block=assembled.block,
        items=items,
        tokens=assembled.tokens,
        level=assembled.level,
        trace=assembled.trace,
    )


def _uuid(field: str, text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise ValueError(f"{field} is not a UUID") from None


def _scope(text: str) -> Literal["agent", "subject"]:
    if text == "agent":
        return "agent"
    if text == "subject":
        return "subject"
    raise ValueError("memory_scope is neither agent nor subject")
