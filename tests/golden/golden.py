# SPDX-License-Identifier: Apache-2.0
"""Runs every case of the file `cases` and says what came out, as text to compare and to review."""

import base64
import glob
import pathlib
import re
import shlex
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
EXPECTED = HERE / "expected"
INPUTS = ("policies", "csv", "profiles", "models", "machines", "logs")
SECONDS = 60  # for one command, under a sanitizer, on a busy machine


def read_cases():
    """{name: command line}; a name that ends in * is run with --json as well."""
    cases = {}
    for line in (HERE / "cases").read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, command = (part.strip() for part in line.split("|", 1))
        variants = {name.rstrip("*"): command}
        if name.endswith("*"):
            words, redirection, stdin = command.partition(" < ")
            variants[name.rstrip("*") + "-json"] = f"{words} --json{redirection}{stdin}"
        for variant, variant_command in variants.items():
            if variant in cases:
                raise SystemExit(f"tests/golden/cases: {variant} is there twice")
            cases[variant] = variant_command
    return cases


def expand(word):
    """{inline:FILE} is FILE as an inline: value, {glob:PATTERN} the sorted names of files."""
    if found := re.fullmatch(r"\{glob:(.*)\}", word):
        return sorted(glob.glob(found[1], root_dir=HERE))
    inline = re.sub(
        r"\{inline:(.*)\}",
        lambda found: "inline:" + base64.b64encode((HERE / found[1]).read_bytes()).decode(),
        word,
    )
    return [inline]


def section(title, content):
    if content and not content.endswith("\n"):
        content += "\n[no end of line]\n"
    return f"--- {title}\n{content}" if content else ""


def run_case(vernier, command):
    """What `command` prints, its exit status and the files it writes."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        for inputs in INPUTS:
            (folder / inputs).symlink_to(HERE / inputs)
        words, _, stdin = command.partition(" < ")
        arguments = []
        for word in shlex.split(words):
            arguments += expand(word)
        done = subprocess.run(
            [vernier, *arguments],
            cwd=folder,
            input=(folder / stdin.strip()).read_bytes() if stdin else b"",
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
        result = f"$ vernier {command}".rstrip() + f"\nexit {done.returncode}\n"
        result += section("stdout", text_of(done.stdout)) + section("stderr", text_of(done.stderr))
        for path in sorted(folder.iterdir()):
            if path.name not in INPUTS:
                result += section(f"file {path.name}", text_of(path.read_bytes()))
        return result


def text_of(output):
    """As text, with bytes that are not UTF-8 made visible: an expected file is always text."""
    return output.decode("utf-8", "backslashreplace").replace("\0", "\\x00")
