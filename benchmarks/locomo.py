"""Turn evidence on LoCoMo: what share of the turns that answer a question is found.

    python -m ibex.embedded run -- python benchmarks/locomo.py --locomo DIR

DIR holds conversations of snap-research/locomo, one JSON file each (CC BY-NC 4.0: measure, do not
copy). Each becomes the sessions, turns and passages of an agent of its own, in the real tables, as
the runtime role, and is searched by the real retrieval. Everything is rolled back in the end.

coverage@k: mean over questions of (evidence turns among the k best) / (evidence turns).
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ibex.settings")

import django  # noqa: E402

django.setup()

import numpy as np  # noqa: E402
from django.db import connection, transaction  # noqa: E402

from agents.models import Agent  # noqa: E402
from agents.services import create_agent  # noqa: E402
from embedder.limits import EMBEDDING_DIM, EMBEDDING_MODEL  # noqa: E402
from embedder.model import load_model  # noqa: E402
from embedder.pieces import Cutter, join_windows  # noqa: E402
from ibex.ids import uuid7  # noqa: E402
from ibex.tenancy import tenant  # noqa: E402
from memories.indexing.postings import index_item  # noqa: E402
from memories.indexing.terms import count_terms  # noqa: E402
from memories.models import Passage, Posting  # noqa: E402
from memories.retrieval import Query, Vector, retrieve_sync  # noqa: E402
from orgs.audit import Actor  # noqa: E402
from orgs.services import create_organization  # noqa: E402
from sessions.models import Session, Turn  # noqa: E402

ACTOR = Actor.system("benchmark")
CATEGORIES = {1: "multi-hop", 2: "temporal", 3: "open-domain", 4: "single-hop"}
EVIDENCE = re.compile(r"D:?(\d+):0*(\d+)")


class Encoder:
    """The embedder's own model, in this process."""

    def __init__(self, folder: Path) -> None:
        self._model = load_model(folder, os.cpu_count() or 1)
        self._cutter = Cutter()

    def embed(self, text: str, kind: Any) -> Vector:
        """Embed one text as the service would."""
        (pieces,) = self._cutter.cut([text], kind)
        return join_windows(pieces, self._model.run(pieces.windows))


@dataclass
class Question:
    """A question and the turns that answer it."""

    text: str
    category: int
    evidence: set[str]


@dataclass
class Conversation:
    """One file: utterances by session, and questions."""

    name: str
    sessions: list[tuple[datetime, list[dict[str, Any]]]] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)


def read_conversations(folder: Path) -> Iterator[Conversation]:
    """Read every JSON file of a folder."""
    for path in sorted(folder.glob("*.json")):
        data = json.loads(path.read_text())
        conversation = Conversation(path.stem)
        number = 1
        while f"session_{number}" in data:
            written = f"{data[f'session_{number}_date_time']} +0000"
            said = datetime.strptime(written, "%I:%M %p on %d %B, %Y %z")
            conversation.sessions.append((said, data[f"session_{number}"]))
            number += 1
        known = {turn["dia_id"] for _said, turns in conversation.sessions for turn in turns}
        for row in data["qa"]:
            found = EVIDENCE.findall(" ".join(row.get("evidence", [])))
            evidence = {f"D{session}:{turn}" for session, turn in found} & known
            if row["category"] in CATEGORIES and evidence:
                conversation.questions.append(Question(row["question"], row["category"], evidence))
        yield conversation


def text_of(turn: dict[str, Any]) -> str:
    """Write an utterance as the published baselines do: speaker, text, caption of its image."""
    caption = f" [image: {turn['blip_caption']}]" if turn.get("blip_caption") else ""
    return f"{turn['speaker']}: {turn['text']}{caption}"


def load(agent: Agent, conversation: Conversation, encoder: Encoder, parts: int) -> dict[Any, str]:
    """Store a conversation, `parts` utterances a turn; return passage id → utterance id."""
    names: dict[Any, str] = {}
    for number, (said, utterances) in enumerate(conversation.sessions):
        session = Session.objects.create(
            org_id=agent.org_id, agent=agent, external_id=f"session-{number + 1}"
        )
        for place, utterance in enumerate(utterances):
            index, part = divmod(place, parts)
            at = said + timedelta(minutes=place)
            if part == 0:
                turn = Turn.objects.create(
                    org_id=agent.org_id, agent=agent, session=session, index=index,
                    request=b"", completion=b"", model="-", provider="-", latency_ms=0,
                    request_id="-", created_at=at,
                )  # fmt: skip
            passage = store_passage(turn, part, text_of(utterance), encoder, at)
            names[passage.pk] = utterance["dia_id"]
    return names


def store_passage(turn: Turn, part: int, text: str, encoder: Encoder, at: datetime) -> Passage:
    """Store and index one utterance."""
    terms = count_terms(text)
    passage = Passage.objects.create(
        org_id=turn.org_id, agent_id=turn.agent_id, session_id=turn.session_id, turn=turn,
        turn_index=turn.index, part=part, said_at=at, text=text,
        role=Passage.Role.ASSISTANT if part else Passage.Role.USER,
        terms=terms, length=sum(terms.values()),
        embedding=encoder.embed(text, "passage").tolist(),
        embedding_model=EMBEDDING_MODEL, embedding_dim=EMBEDDING_DIM,
    )  # fmt: skip
    index_item(
        org_id=turn.org_id, agent_id=turn.agent_id, item_id=passage.pk,
        kind=Posting.Kind.PASSAGE, subject=None, terms=terms,
    )  # fmt: skip
    return passage


@dataclass
class Result:
    """What was measured on one conversation."""

    name: str
    coverage: list[tuple[int, float]] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)

    def mean(self, category: int | None = None) -> float:
        """Return the mean coverage in percent, of one category or of all."""
        values = [value for number, value in self.coverage if category in {None, number}]
        return 100 * float(np.mean(values)) if values else float("nan")


def measure(
    agent: Agent, conversation: Conversation, names: dict[Any, str], encoder: Encoder, options: Any
) -> Result:
    """Ask every question a day after the last session."""
    now = conversation.sessions[-1][0] + timedelta(days=1)
    result = Result(conversation.name)
    for question in conversation.questions:
        vector = None if options.words_only else encoder.embed(question.text, "query")
        query = Query(
            org_id=agent.org_id, agent_id=agent.pk, text=question.text, vector=vector, now=now
        )
        started = time.perf_counter()
        with connection.cursor() as cursor:
            found = retrieve_sync(cursor, query)
        result.milliseconds.append((time.perf_counter() - started) * 1000)
        best = {names[candidate.id] for candidate in found.candidates[: options.k]}
        share = len(best & question.evidence) / len(question.evidence)
        result.coverage.append((question.category, share))
    return result


def run(options: Any) -> list[Result]:
    """Load and measure every conversation in one transaction, and roll it back."""
    encoder = Encoder(options.model_folder)
    results = []
    with transaction.atomic():
        mark = uuid7().hex[-10:]
        org = create_organization(name="LoCoMo", slug=f"locomo-{mark}", actor=ACTOR)
        with tenant(org):
            for conversation in read_conversations(options.locomo):
                agent = create_agent(
                    org=org, name=conversation.name, slug=f"conversation-{conversation.name}",
                    memory_scope="agent", actor=ACTOR,
                )  # fmt: skip
                names = load(agent, conversation, encoder, options.utterances_per_turn)
                results.append(measure(agent, conversation, names, encoder, options))
                report(results[-1], options.k)
        transaction.set_rollback(True)
    return results


def report(result: Result, k: int) -> None:
    """Print one conversation's coverage by category, and how long a search took."""
    parts = "  ".join(f"{name} {result.mean(key):.1f}" for key, name in CATEGORIES.items())
    p50, p95 = np.percentile(result.milliseconds, [50, 95])
    print(
        f"{result.name}: coverage@{k} {result.mean():.1f} of {len(result.coverage)} questions"
        f"  ({parts})  search p50 {p50:.1f} ms, p95 {p95:.1f} ms"
    )


def migrate() -> None:
    """Migrate the database when its owner's address is given, as a temporary one needs."""
    if owner := os.environ.get("IBEX_DATABASE_OWNER_URL"):
        environment = os.environ | {"IBEX_DATABASE_URL": owner, "IBEX_ROLE": "manage"}
        command = [sys.executable, "manage.py", "migrate", "--noinput", "-v", "0"]
        subprocess.run(command, cwd=ROOT, env=environment, check=True)  # noqa: S603


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--locomo", type=Path, required=True, metavar="DIR")
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--words-only", action="store_true", help="as if the embedder were away")
    parser.add_argument(
        "--utterances-per-turn", type=int, default=1, choices=(1, 2),
        help="2: an exchange is a turn, as a chat would record it",
    )  # fmt: skip
    parser.add_argument("--model-folder", type=Path, default=ROOT / "var" / "models")
    options = parser.parse_args()
    migrate()
    results = run(options)
    everything = Result("all", [pair for result in results for pair in result.coverage])
    everything.milliseconds = [value for result in results for value in result.milliseconds]
    report(everything, options.k)


if __name__ == "__main__":
    main()
