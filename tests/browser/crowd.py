"""An organization of its own in the running stack, and windows of the operator who owns it."""

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import openai
from playwright.sync_api import Browser, StorageState

from tests.stack.conftest import ROOT, Stack

FILL = "import json; from tests.browser.filling import fill; print(json.dumps(fill()))"


@dataclass
class Crowd:
    """The organization, its owner, a token for any of its agents, and their ids by name."""

    stack: Stack
    email: str
    password: str
    token: str
    agents: dict[str, str]
    signed_in: StorageState | None = None

    def ask(self, agent: str, text: str, *, token: str = "", session: str = "") -> Any:
        """Say something to one of its agents with the real client; return the raw response."""
        headers = {"X-IBEX-Agent-ID": self.agents[agent]}
        if session:
            headers["X-IBEX-Session-ID"] = session
        client = openai.OpenAI(
            base_url=f"{self.stack.proxy_url}/v1",
            api_key=token or self.token,
            default_headers=headers,
            max_retries=0,
            timeout=60,
        )
        return client.chat.completions.with_raw_response.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": text}]
        )

    def sign_in(self, browser: Browser) -> StorageState:
        """Sign in the first time, and hand out what the browser has of it."""
        if self.signed_in is None:
            page = browser.new_page()
            page.goto(self.stack.proxy_url)
            page.get_by_label("Email address").fill(self.email)
            page.get_by_label("Password").fill(self.password)
            page.get_by_role("button", name="Sign in", exact=True).click()
            page.get_by_role("heading", name="Overview").wait_for()
            self.signed_in = page.context.storage_state()
            page.close()
        return self.signed_in


def gather(stack: Stack) -> Crowd:
    """Fill an organization, in a process of the stack."""
    environment = {**stack.env, **stack.facts["environment"], "IBEX_ROLE": "manage"}
    said = subprocess.check_output(
        [sys.executable, "manage.py", "shell", "-v", "0", "-c", FILL], cwd=ROOT, env=environment
    )
    return Crowd(stack, **json.loads(said))
