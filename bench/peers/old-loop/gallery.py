"""What the loops share: jobs from a Redis list, photos below PROJECT_ROOT, callbacks to the gallery server.

The settings are those of `clip-runner photos`: REDIS_URL, REDIS_QUEUE_NAME, API_BASE_URL, PROCESSING_INTERNAL_TOKEN.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import redis
import requests

LABEL = "bench"
_queue = os.environ["REDIS_QUEUE_NAME"]
_redis = redis.Redis.from_url(os.environ["REDIS_URL"])
_session = requests.Session()
_session.headers["x-internal-token"] = os.environ["PROCESSING_INTERNAL_TOKEN"]
_api = os.environ["API_BASE_URL"]


def jobs(at_most: int = 1) -> Iterator[list[dict]]:
    """Waits for a job, and takes as many more with it as are there and wanted."""
    while True:
        found = _redis.brpop([_queue], timeout=5)
        if found is None:
            continue
        elements = [found[1]]
        if at_most > 1:
            elements += _redis.rpop(_queue, at_most - 1) or []
        yield [json.loads(element) for element in elements]


def path_of(job: dict) -> str:
    return str(Path(os.environ["PROJECT_ROOT"]) / job["path"])


def post(job: dict, kind: str, body: dict) -> None:
    """`kind`: ml_result or faces."""
    url = f"{_api}/api/internal/photos/{job['photo_id']}/{kind}"
    _session.post(url, json=body, timeout=30).raise_for_status()


def post_embedding(job: dict, embedding: list[float], modality: str = "image", **ml_result: str) -> None:
    body = {"model": LABEL, "modality": modality, "embedding": embedding, "processing_status": "done"}
    post(job, "ml_result", body | {"ml_result": ml_result} if ml_result else body)
