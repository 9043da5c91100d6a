# SPDX-License-Identifier: Apache-2.0
"""A policy as the value of NCCL_VERNIER_POLICY: 'inline:' and base64, evidence stripped."""

import base64
import tomllib

PREFIX = "inline:"
MAX_BASE64_BYTES = 96 * 1024


def strip_evidence(text):
    """The policy text without evidence and whole-line comments.

    Evidence is a TOML inline table, which ends on the line it began on; a line is all there is to
    remove. The result is parsed and compared, so that nothing else can get lost.
    """
    kept = [
        line
        for line in text.splitlines()
        if not line.lstrip().startswith(("evidence ", "evidence=", "#"))
    ]
    stripped = "\n".join(line for line in kept if line.strip()) + "\n"
    wanted = tomllib.loads(text)
    for rule in wanted.get("rule", []):
        rule.pop("evidence", None)
    if tomllib.loads(stripped) != wanted:
        raise ValueError("stripping the evidence changed the policy")
    return stripped


def encode(text):
    """The variable's value for a policy text."""
    encoded = base64.b64encode(strip_evidence(text).encode()).decode()
    if len(encoded) > MAX_BASE64_BYTES:
        raise ValueError(f"{len(encoded)} bytes of base64, at most {MAX_BASE64_BYTES} are allowed")
    return PREFIX + encoded


def decode(value):
    """The policy text in a variable's value."""
    if not value.startswith(PREFIX):
        raise ValueError(f"does not begin with {PREFIX}")
    return base64.b64decode(value[len(PREFIX):], validate=True).decode()
