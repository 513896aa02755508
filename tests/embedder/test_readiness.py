"""When the embedder says that it lives, and when that it is ready."""

from pathlib import Path


def test_it_lives_at_once_but_is_not_ready_before_the_warm_up(
    serve, redis_url: str, tmp_path: Path
) -> None:
    with serve(redis_url, tmp_path, ready=False) as embedder:  # the model has to be built first
        assert embedder.get("/healthz").status == 200
        not_ready = embedder.get("/readyz")
        early = embedder.embed("too early")
        embedder.wait_until_ready()
        ready = embedder.get("/readyz")
        late = embedder.embed("in time")
    assert (not_ready.status, not_ready.json["status"]) == (503, "unhealthy")
    assert not_ready.json["checks"]["model"]["status"] == "failed: NotServing"
    assert (early.status, early.error["code"]) == (503, "SERVICE_DEGRADED")
    assert early.headers["retry-after"] == "1"
    assert (ready.status, ready.json["status"]) == (200, "ok")
    assert late.status == 200


def test_a_model_that_cannot_be_built_is_never_ready_and_says_why(
    serve, redis_url: str, tmp_path: Path, wait_until
) -> None:
    folder = tmp_path / "models"
    folder.write_text("in the way")
    with serve(redis_url, folder, ready=False) as embedder:
        wait_until(lambda: "failed: FileExistsError" in embedder.get("/readyz").text)
        assert embedder.get("/readyz").status == 503
        assert embedder.embed("anything").status == 500
        assert embedder.get("/healthz").status == 200


def test_metrics_tell_requests_texts_batches_and_time(embedder) -> None:
    assert embedder.embed("one").status == 200
    text = embedder.get("/metrics").text
    for name in (
        "requests_total",
        "request_seconds_bucket",
        "texts_total",
        "batch_size_bucket",
        "inference_seconds_bucket",
        "waiting_windows",
        "cache_hits_total",
        "cache_misses_total",
    ):
        assert f"ibex_embedding_{name}" in text
