"""Hands WebSockets on to the Django roles, in development: frames both ways until one side ends."""

import asyncio
from typing import Any

import aiohttp

from proxy.http import HOP_BY_HOP

HANDSHAKE = frozenset(
    {
        "sec-websocket-key",
        "sec-websocket-version",
        "sec-websocket-extensions",
        "sec-websocket-protocol",
    }
)
MAX_FRAME_BYTES = 1024 * 1024
NORMAL = 1000
TRY_AGAIN_LATER = 1013
REFUSED = 1008


async def forward_socket(
    client: aiohttp.ClientSession, target: str, scope: Any, receive: Any, send: Any
) -> None:
    """Connect to the same path at `target` and relay. The handshake is answered by the target."""
    await receive()  # websocket.connect
    try:
        socket = await client.ws_connect(
            _url(target, scope),
            headers=_headers(scope),
            protocols=scope.get("subprotocols", ()),
            max_msg_size=MAX_FRAME_BYTES,
        )
    except aiohttp.WSServerHandshakeError:
        await send({"type": "websocket.close", "code": REFUSED})
        return
    except (aiohttp.ClientError, TimeoutError):
        await send({"type": "websocket.close", "code": TRY_AGAIN_LATER})
        return
    await send({"type": "websocket.accept", "subprotocol": socket.protocol})
    up = asyncio.create_task(_upwards(socket, receive))
    down = asyncio.create_task(_downwards(socket, send))
    try:
        await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (up, down):
            task.cancel()
        await asyncio.gather(up, down, return_exceptions=True)
        await socket.close()


async def _upwards(socket: aiohttp.ClientWebSocketResponse, receive: Any) -> None:
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            await socket.close(code=message.get("code", NORMAL))
            return
        if message.get("text") is not None:
            await socket.send_str(message["text"])
        elif message.get("bytes") is not None:
            await socket.send_bytes(message["bytes"])


async def _downwards(socket: aiohttp.ClientWebSocketResponse, send: Any) -> None:
    async for message in socket:
        if message.type is aiohttp.WSMsgType.TEXT:
            await send({"type": "websocket.send", "text": message.data})
        elif message.type is aiohttp.WSMsgType.BINARY:
            await send({"type": "websocket.send", "bytes": message.data})
    await send({"type": "websocket.close", "code": socket.close_code or NORMAL})


def _url(target: str, scope: Any) -> str:
    path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
    query = scope["query_string"].decode("latin-1")
    return f"{target}{path}" + (f"?{query}" if query else "")


def _headers(scope: Any) -> list[tuple[str, str]]:
    pairs = [(k.decode("latin-1"), v.decode("latin-1")) for k, v in scope["headers"]]
    return [(k, v) for k, v in pairs if k not in HOP_BY_HOP | HANDSHAKE]
