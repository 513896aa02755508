"""`POST /v1/chat/completions`: the life of a request, from admission to its recorded turn."""

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Any

from orgs.permissions import CHAT, Permission
from proxy import metrics
from proxy.admission import admit, digest_for_lookup, read_agent_id, read_token
from proxy.answers import send_plain, send_stream
from proxy.calls import Call
from proxy.context import Context, freeze_key
from proxy.conversations import (
    Conversation,
    digest_of,
    history_digest,
    named,
    new_messages,
    read_external_id,
    read_subject,
    started,
)
from proxy.errors import ProxyError
from proxy.http import ClientLeft, Request
from proxy.idempotency import Claim, StoredAnswer, claim
from proxy.limits import Verdict
from proxy.prompt import freeze_digest, place_block, place_directive, target_index, text_of
from proxy.requests import ChatRequest, check_content_type, flag, parse
from proxy.services import Services
from proxy.store import Route, take_node
from proxy.turns import CallRecord


@dataclass
class Caller:
    """An admitted request: who asks, what, and in which conversation."""

    route: Route
    chat: ChatRequest
    subject: str | None
    conversation: Conversation


async def handle(request: Request, services: Services) -> None:
    """Answer one chat completion. A client that leaves cancels the call to the provider."""
    caller = await _admit(request, services)
    work = asyncio.create_task(_answer(request, services, caller))
    watch = asyncio.create_task(_wait_for_hangup(request))
    try:
        await asyncio.wait({work, watch}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError, ProxyError):
                await work
            raise ClientLeft
        await work
    finally:
        watch.cancel()
        work.cancel()


async def _wait_for_hangup(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _admit(request: Request, services: Services) -> Caller:
    """Token, agent, session, in one query; then what the body says. Raises `ProxyError`."""
    token = read_token(request)
    check_content_type(request)
    raw = await request.body()
    digest = digest_for_lookup(token, services.config.token_key)
    agent_id = read_agent_id(request)
    needed = CHAT
    if flag(request, "x-ibex-session-end"):
        needed |= Permission.SESSION_TERMINATE
    try:
        chat = parse(raw)
        external_id = read_external_id(request)
        subject = read_subject(request, chat.body)
        node = None if external_id else history_digest(chat.messages)
    except ProxyError:
        # Who may not ask learns that first, whatever is wrong with the question.
        admit(request, await services.find_route(digest, agent_id), agent_id, needed)
        raise
    route = admit(
        request,
        await services.find_route(
            digest, agent_id, external_id=external_id, subject=subject, node=node
        ),
        agent_id,
        needed,
    )
    _fill_in_model(route, chat)
    conversation = await _find_conversation(services, route, chat, external_id, subject)
    return Caller(route, chat, subject, conversation)


def _fill_in_model(route: Route, chat: ChatRequest) -> None:
    if chat.body.get("model") is None and not route.default_model:
        raise ProxyError(400, "VALIDATION_ERROR", "Name a `model`.", param="model")


async def _find_conversation(
    services: Services,
    route: Route,
    chat: ChatRequest,
    external_id: str | None,
    subject: str | None,
) -> Conversation:
    """Return the session that the client names, or the one that the history continues."""
    if external_id:
        return named(route, external_id)
    if route.node_session_id is None:
        metrics.CONVERSATIONS.labels("new").inc()
        return started()
    if route.node_is_shared and subject is None:
        metrics.CONVERSATIONS.labels("ambiguous").inc()
        return started()
    history = history_digest(chat.messages)
    continuation = digest_of(chat.messages)
    if await _may_continue(services, route, subject, history or b"", continuation):
        metrics.CONVERSATIONS.labels("continued").inc()
        return Conversation(route.node_session_id, route.node_external_id or "", is_new=False)
    metrics.CONVERSATIONS.labels("branched").inc()
    return started(route.node_session_id, route.node_turn_index)


async def _may_continue(
    services: Services, route: Route, subject: str | None, history: bytes, continuation: bytes
) -> bool:
    if route.node_taken_by is not None:
        return bytes(route.node_taken_by) == continuation
    async with services.database("Sessions") as connection:
        return await take_node(connection, route, subject=subject, digest=history, by=continuation)


async def _answer(request: Request, services: Services, caller: Caller) -> None:
    """Limits, context, provider, recorder."""
    target = _memory_target(request, caller)
    key = None if target is None else _freeze_key(caller, target)
    verdict, frozen = await services.gate.pass_through(caller.route, key)
    verdict.check()
    held = await _claim(request, services, caller)
    if isinstance(held, StoredAnswer):
        headers = {**held.headers, **verdict.headers(), "x-idempotency-replayed": "true"}
        await request.answer(held.status, held.body, headers)
        return
    try:
        context = await _find_context(services, caller, target, key, frozen)
        call = _prepare(request, services, caller, context, target, verdict)
        if caller.chat.is_streaming:
            await send_stream(call)
        else:
            await send_plain(call, held)
    except BaseException:
        if held:
            await asyncio.shield(held.release())
        raise


async def _claim(
    request: Request, services: Services, caller: Caller
) -> Claim | StoredAnswer | None:
    key = request.headers.get("idempotency-key", "")
    if not key or caller.chat.is_streaming:
        return None
    route = caller.route
    assert route.agent_id is not None  # noqa: S101 - admitted routes have an agent
    return await claim(services.gate.redis, route.org_id, route.agent_id, key, caller.chat.raw)


def _memory_target(request: Request, caller: Caller) -> int | None:
    """Return the message that memories would go into, or None to leave memory alone."""
    if not caller.route.memory_enabled or flag(request, "x-ibex-skip-memory"):
        return None
    target = target_index(caller.chat.messages)
    if target is None or not text_of(caller.chat.messages[target]).strip():
        return None
    return target


def _freeze_key(caller: Caller, target: int) -> str:
    digest = freeze_digest(caller.chat.messages, target)
    return freeze_key(caller.route.org_id, caller.conversation.session_id, digest)


async def _find_context(
    services: Services, caller: Caller, target: int | None, key: str | None, frozen: Context | None
) -> Context | None:
    """Return the frozen block of this tool loop, or ask for a new one."""
    if target is None or key is None:
        return None
    if frozen:
        return frozen
    conversation = caller.conversation
    context = await services.context.assemble(
        caller.route,
        subject=caller.subject,
        session_id=None if conversation.is_new else conversation.session_id,
        query=text_of(caller.chat.messages[target]),
    )
    if not context.is_fallback:
        services.in_background(services.gate.freeze(key, context))
    return context


def _prepare(
    request: Request,
    services: Services,
    caller: Caller,
    context: Context | None,
    target: int | None,
    verdict: Verdict,
) -> Call:
    """Put the prompt together and open the record of the call."""
    route, chat = caller.route, caller.chat
    messages = chat.messages
    if context and context.block and target is not None:
        messages = place_block(messages, target, context.block, route.memory_position or "")
    if route.directive_content:
        mode = route.injection_mode or "system_first"
        messages = place_directive(messages, route.directive_content, mode)
    model = None if chat.body.get("model") is not None else route.default_model
    add_usage = chat.is_streaming and not chat.wants_usage and services.provider.takes_usage_option
    record = _record(request, services, caller, context)
    return Call(
        request=request,
        services=services,
        record=record,
        chat=chat,
        body=chat.forwarded(messages, model=model, add_usage=add_usage),
        withhold_usage=add_usage,
        remember_node="x-ibex-session-id" not in request.headers,
        headers={**verdict.headers(), **_headers(caller, context)},
    )


def _headers(caller: Caller, context: Context | None) -> dict[str, str]:
    headers = {"x-ibex-session-id": caller.conversation.external_id}
    if caller.route.directive_version is not None:
        headers["x-ibex-directive-version"] = str(caller.route.directive_version)
    if context is not None:
        headers["x-ibex-memories-injected"] = str(len(context.items))
        headers["x-ibex-context-tokens"] = str(context.tokens)
        headers["x-ibex-context-fallback"] = "true" if context.is_fallback else "false"
    return headers


def _record(
    request: Request, services: Services, caller: Caller, context: Context | None
) -> CallRecord:
    route, chat, conversation = caller.route, caller.chat, caller.conversation
    assert route.agent_id is not None  # noqa: S101 - admitted routes have an agent
    record = CallRecord(
        org_id=route.org_id,
        agent_id=route.agent_id,
        session_id=conversation.session_id,
        external_id=conversation.external_id,
        subject=caller.subject,
        branched_from=conversation.branched_from,
        branched_at_turn=conversation.branched_at_turn,
        request_id=request.request_id,
        model=str(chat.body.get("model") or route.default_model),
        provider=services.provider.name,
        is_streaming=chat.is_streaming,
        directive_version=route.directive_version,
        skip_extraction=_skips_extraction(request, route),
        ends=flag(request, "x-ibex-session-end"),
    )
    is_first = conversation.is_new and conversation.branched_from is None
    record.set_request(chat.body, new_messages(chat.messages, is_new_session=is_first))
    if context is not None:
        _note_context(record, context)
    return record


def _skips_extraction(request: Request, route: Route) -> bool:
    allowed = route.org_extraction_enabled and route.extraction_enabled
    return not allowed or flag(request, "x-ibex-skip-extraction")


def _note_context(record: CallRecord, context: Context) -> None:
    record.injected = context.items
    record.assembly = _trace(context)
    record.context_level = context.level
    record.context_ms = context.elapsed_ms
    record.context_tokens = context.tokens
    record.memories_injected = len(context.items)


def _trace(context: Context) -> dict[str, Any]:
    return {**(context.trace or {}), "level": context.level, "tokens": context.tokens}
