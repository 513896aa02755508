"""Every request that is turned away, and the words it is turned away with."""

import json
from uuid import UUID

import openai
import pytest

from embedder.limits import EMBEDDING_MODEL, MAX_BODY_BYTES

SECRET = "xylophone"
SOUND = {"model": EMBEDDING_MODEL, "input": SECRET}


def refused(answer, status: int, code: str, param: str | None = None) -> None:
    assert answer.status == status, answer.text
    error = answer.error
    assert set(error) == {"message", "type", "param", "code", "request_id", "timestamp"}
    assert (error["code"], error["param"]) == (code, param)
    assert error["request_id"] == answer.headers["x-request-id"]
    assert SECRET not in answer.text


def test_a_sound_request_is_answered(embedder) -> None:
    assert embedder.post(SOUND).status == 200


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": ""}, "input"),
        ({"input": " \n\t "}, "input"),
        ({"input": "\u200b"}, "input"),
        ({"input": []}, "input"),
        ({"input": [SECRET, " "]}, "input"),
        ({"input": [SECRET] * 513}, "input"),
        ({"input": [101, 7592, 102]}, "input"),
        ({"input": [[101, 7592, 102]]}, "input"),
        ({"input": None}, "input"),
        ({"input": {"text": SECRET}}, "input"),
        ({"model": "text-embedding-3-small"}, "model"),
        ({"model": None}, "model"),
        ({"dimensions": 256}, "dimensions"),
        ({"dimensions": "384"}, "dimensions"),
        ({"encoding_format": "int8"}, "encoding_format"),
        ({"encoding_format": [SECRET]}, "encoding_format"),
        ({"kind": "document"}, "kind"),
        ({"user": 5}, "user"),
    ],
)
def test_an_unsound_field_is_named(embedder, fields: dict, param: str) -> None:
    refused(embedder.post(SOUND | fields), 400, "VALIDATION_ERROR", param)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b'["xylophone"]', b'"xylophone"', b'{"input": "\\ud800xylophone"}', b"\xff\xfe"],
)
def test_a_body_that_is_no_json_object_is_refused(embedder, body: bytes) -> None:
    refused(embedder.post(body), 400, "INVALID_JSON")


def test_512_texts_are_still_accepted(embedder) -> None:
    answer = embedder.post(SOUND | {"input": ["ok"] * 512})
    assert answer.status == 200
    assert len(answer.json["data"]) == 512


def test_a_body_over_4_mib_is_refused(embedder) -> None:
    body = json.dumps(SOUND).encode()
    refused(embedder.post(body.ljust(MAX_BODY_BYTES + 1)), 413, "PAYLOAD_TOO_LARGE")
    assert embedder.post(body.ljust(MAX_BODY_BYTES)).status == 200


def test_a_body_of_undeclared_length_is_counted(embedder) -> None:
    chunk = b" " * 65_536
    chunks = b"".join(b"10000\r\n" + chunk + b"\r\n" for _ in range(65)) + b"0\r\n\r\n"
    answer = embedder.post(chunks, transfer_encoding="chunked")
    refused(answer, 413, "PAYLOAD_TOO_LARGE")


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", None])
def test_only_json_is_read(embedder, media_type: str | None) -> None:
    refused(embedder.post(SOUND, content_type=media_type), 415, "UNSUPPORTED_MEDIA_TYPE")


def test_json_may_name_its_character_set(embedder) -> None:
    assert embedder.post(SOUND, content_type="Application/JSON; charset=utf-8").status == 200


@pytest.mark.parametrize("header", [None, "", "Basic eDp5", "Bearer ", "token"])
def test_a_request_without_a_token_is_refused(embedder, header: str | None) -> None:
    refused(embedder.post(SOUND, authorization=header), 401, "MISSING_TOKEN")


@pytest.mark.parametrize("token", ["wrong", "a-service-token-made-only-for-test", "é"])
def test_a_wrong_token_is_refused(embedder, token: str) -> None:
    refused(embedder.post(SOUND, authorization=f"Bearer {token}"), 401, "INVALID_TOKEN")


@pytest.mark.parametrize("org", [None, "", "acme", "00000000-0000-0000-0000-00000000000"])
def test_a_request_names_its_org(embedder, org: str | None) -> None:
    answer = embedder.post(SOUND, x_ibex_org_id=org)
    refused(answer, 400, "VALIDATION_ERROR", "X-IBEX-Org-ID")


def test_another_path_is_not_found(embedder) -> None:
    refused(embedder.get("/v1/models"), 404, "ROUTE_NOT_FOUND")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_another_method_is_not_allowed(embedder, method: str) -> None:
    answer = embedder.get("/v1/embeddings", method)
    refused(answer, 405, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == "POST"


def test_the_official_client_understands_a_refusal(embedder, org: UUID) -> None:
    client = openai.OpenAI(
        base_url=f"{embedder.url}/v1",
        api_key="wrong",
        default_headers={"X-IBEX-Org-ID": str(org)},
        max_retries=0,
    )
    with pytest.raises(openai.AuthenticationError) as refusal:
        client.embeddings.create(model=EMBEDDING_MODEL, input="x")
    assert refusal.value.code == "INVALID_TOKEN"


def test_refusals_are_counted(embedder) -> None:
    before = embedder.metric('ibex_embedding_requests_total{status="401"}')
    embedder.post(SOUND, authorization=None)
    assert embedder.metric('ibex_embedding_requests_total{status="401"}') == before + 1
