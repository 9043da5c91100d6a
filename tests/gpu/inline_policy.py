# SPDX-License-Identifier: Apache-2.0
"""A policy as the value of NCCL_VERNIER_POLICY: 'inline:' and base64, evidence stripped."""

import base64
import re
import subprocess
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


def _ask(vernier, *arguments, text=None):
    done = subprocess.run(
        [vernier, "policy", *arguments], input=text, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{vernier} policy {arguments[0]}: {done.stderr.strip()}")
    return done.stdout.strip()


def export_inline(vernier, text):
    """The variable's value as the vernier executable makes it, or as we do where there is none."""
    if vernier is None:
        return encode(text)
    return _ask(vernier, "export", "--format", "inline", "-", text=text)


def digest_of(vernier, file_or_inline):
    return _ask(vernier, "digest", file_or_inline).split()[0]


def logged_digests(text):
    """The digests that the plugin names in NCCL's log."""
    return sorted(set(re.findall(r"\bsha256:[0-9a-f]{64}\b", text)))


def digest_problems(calibrated, seen):
    """`seen` maps where digests were seen to the digests: there must be one, the calibrated."""
    return [
        f"digest {where}: {', '.join(digests) or 'none'}; of the calibrated policy: {calibrated}"
        for where, digests in seen.items()
        if list(digests) != [calibrated]
    ]
