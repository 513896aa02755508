"""The signs of an injected instruction, each with its weight. `risk` adds them up.

Patterns read lower-case text with single blanks; white space in them is only layout.
"""

import re
from dataclasses import dataclass

HIDDEN_TEXT = ("hidden text", 0.40)
HIDDEN_TAGS = ("hidden tag characters", 0.90)


@dataclass(frozen=True)
class Signal:
    """One sign of an injected instruction, and how strongly it speaks."""

    name: str
    weight: float
    pattern: re.Pattern[str]


def _signal(name: str, weight: float, pattern: str) -> Signal:
    return Signal(name, weight, re.compile(pattern, re.VERBOSE))


EARLIER = r"""(?:(?:all|any|the|your|my|these|those|every|of)\s){0,4}
    (?:(?:previous|prior|above|earlier|preceding|existing|original|former|foregoing|system)
       (?:\sand\s\w+)?\s|other\s)"""
ORDERS = r"""(?:instructions?|directions?|directives?|rules?|prompts?|guidelines?|messages?
    |commands?|context|restrictions?|constraints?|polic(?:y|ies)|orders?)"""
SECRETS = r"""(?:passwords?|secrets?|credentials?|api\skeys?|tokens?|private\skeys?|memor(?:y|ies)
    |conversations?|chat\shistory|system\sprompt|instructions|personal\sdata)"""
ROLE = r"""(?:^|\n)[\s>*_\#-]{0,8}(?:system|developer|assistant)(?:\s(?:prompt|message|note))?
    [*_]{0,2}\s?:\s?"""
PROMPT = r"(?:system|developer|initial|hidden)\s(?:prompt|message|instructions?)"

SIGNALS = (
    _signal(
        "override",
        0.85,
        rf"""\b(?:ignore|disregard|forget|override|bypass|neglect|skip|discard|stop\sfollowing)\b
        [^.!?]{{0,30}}?\b{EARLIER}{ORDERS}""",
    ),
    _signal(
        "override everything",
        0.80,
        r"""\b(?:ignore|disregard|forget)\s(?:everything|anything|all(?:\sof\sit)?|what)\b
        [^.!?]{0,24}\b(?:above|before|said|told|so\sfar|earlier|previously)\b""",
    ),
    _signal(
        "override in other languages",
        0.85,
        r"""\b(?:ignorier\w*|vergiss|missachte)\b.{0,30}\b(?:anweisung|vorgabe|regel|befehl)\w*
        |\b(?:ignore[zr]?|oublie[zr]?)\b.{0,30}\b(?:instructions|consignes|règles)
            \s(?:précédente|antérieure)\w*
        |\b(?:ignora|olvida)\w*\b.{0,30}\b(?:instrucciones|órdenes|istruzioni)\b""",
    ),
    _signal(
        "lift the rules",
        0.75,
        r"""\b(?:bypass|disable|turn\soff|remove|break|circumvent|drop|without)\b[^.!?]{0,24}
        \b(?:your|its|the|all|any)\s(?:\w+\s)?(?:safety|guardrails?|filters?|guidelines?
        |content\spolicy|restrictions?|censorship|limitations?)\b""",
    ),
    _signal(
        "jailbreak",
        0.75,
        r"\b(?:jailbreak|do\sanything\snow|dan\smode|god\smode|developer\smode)\b",
    ),
    _signal(
        "new identity",
        0.45,
        r"\byou\sare\s(?:now|no\slonger)\b|\b(?:act|behave)\sas\s(?:if|an?)\b",
    ),
    _signal(
        "new orders", 0.60, rf"\b(?:new|updated|real|actual|revised)\s(?:system\s)?{ORDERS}\s?:"
    ),
    _signal(
        "chat template",
        0.90,
        r"""<\|?(?:im_start|im_end|system|user|assistant|endoftext|eot_id|bos|eos)\|?>
        |\[/?inst\]|<</?sys>>|<\|[a-z_]{3,30}\|>|\[/?system\]""",
    ),
    _signal(
        "role marker",
        0.50,
        rf"{ROLE}\S|(?:^|\n)\#{{2,}}\s?(?:instructions?|system|response)\b",
    ),
    _signal(
        "orders of a role",
        0.75,
        rf"""{ROLE}[^\n]{{0,80}}
        \b(?:you|must|always|never|do\snot|don't|obey|ignore|respond|reply)\b""",
    ),
    _signal("system prompt", 0.35, rf"\b{PROMPT}\b"),
    _signal(
        "reveal",
        0.65,
        rf"""\b(?:reveal|print|repeat|show|output|leak|disclose|expose|recite|dump|tell\sme)\b
        [^.!?]{{0,40}}\b(?:{PROMPT}|(?:your|the)\sinstructions|other\susers?\b
        |(?:all|your)\smemories)""",
    ),
    _signal(
        "tool call",
        0.80,
        r"""</?(?:tool_calls?|function_calls?|invoke|tool_use|tool_response|function)\b[^>]{0,80}>
        |"(?:tool_calls|function_call)"\s?:
        |\{\s?"name"\s?:\s?"[^"]{1,80}"\s?,\s?"(?:arguments|parameters|input)"\s?:""",
    ),
    _signal(
        "exfiltration",
        0.80,
        rf"""\b(?:send|post|upload|forward|e-?mail|exfiltrate|leak|transmit|submit|append)\b
        [^.!?]{{0,60}}\b{SECRETS}\b.{{0,60}}?
        (?:https?://|\bto\s(?:the\s)?(?:following\s)?(?:url|address|server|endpoint|webhook)\b
        |@|\[email\])""",
    ),
    _signal(
        "beacon",
        0.75,
        r"!\[[^\]]{0,80}\]\(\s?https?://[^)\s]{0,200}(?:[?&][^)=\s]{1,40}=|\{|%7b)",
    ),
    _signal(
        "imitated block",
        0.80,
        r"""<\s?/?\s?(?:ibex[\w:-]*|memor(?:y|ies)[\w:-]*|context[\w:-]*|reference[\w:-]*
        |system(?:[_\s-]?(?:prompt|message|instructions?|reminder))?|untrusted[\w:-]*
        |directives?|instructions?|important)(?:\s[^>]{0,200})?/?\s?>
        |\bnonce\s?=\s?["'][0-9a-f]{8,}""",
    ),
    _signal(
        "secrecy",
        0.45,
        r"""\b(?:do\snot|don't|never|without)
        \s(?:tell(?:ing)?|mention(?:ing)?|inform(?:ing)?|alert(?:ing)?|reveal(?:ing)?)\b
        [^.!?]{0,24}\b(?:user|anyone|them|human|operator|person)\b""",
    ),
    _signal(
        "trap",
        0.50,
        r"""\b(?:when|whenever|if|once)\s(?:the\suser|any\suser|anyone|someone|asked|they|a\suser)\b
        [^.!?]{0,80}\b(?:say|answer|reply|respond|tell|claim|recommend|send|call|run|execute)\b""",
    ),
    _signal(
        "aimed at the model",
        0.40,
        r"""\b(?:as\san?\s(?:ai|language\smodel|llm)|dear\s(?:ai|assistant|model)
        |(?:ai|llm|assistant|model)s?\s(?:must|shall)\b
        |attention\s(?:ai|llm|assistant|model))""",
    ),
)
