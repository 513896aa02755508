"""A memory as JSON, with every character that is not plain ASCII spelt out: nothing can hide."""

import json

from memories.models import Memory
from memories.serializers import MemoryDetail


def document(memory: Memory) -> str:
    """Write a memory as the management API shows it."""
    return json.dumps(MemoryDetail(memory).data, indent=2, ensure_ascii=True, default=str)
