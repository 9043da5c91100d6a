# SPDX-License-Identifier: Apache-2.0
"""What each step of run_all launches, and how its result is judged."""

import json
import os
import tempfile
import tomllib
from dataclasses import dataclass

from calls import Call
from fabrics import FABRICS, LAUNCHES, timing_plan
from inline_policy import digest_of, digest_problems, export_inline
from launch import base_environment, launch
from oracle import Oracle, Situation
from report import RATIO_HEADER, ratio_rows
from targets import judge_all
from tuning_lines import comm_channels, compare, parse, table

HERE = os.path.dirname(os.path.abspath(__file__))
SURVEY_LIMIT_S = 100
START_LIMIT_S = 100  # of a timing worker, on top of the time that its plan allows
EXTRA_S = 20  # a launch with less time left than this is not worth starting
EMPTY = {"schema": 1}


class OutOfTime(Exception):
    """Too little of the run's time is left for this launch."""


@dataclass(frozen=True)
class Nccl:
    """The NCCL under test and who can use it."""

    version: tuple
    library: str
    preload: bool
    clients: tuple

    @property
    def text(self):
        return ".".join(map(str, self.version))


@dataclass
class Verdict:
    """`failures` empty means ok; `notes` are for the summary."""

    failures: list
    notes: list


@dataclass
class Run:
    machine: object
    report: object
    scratch: str
    plugin_dir: str
    vernier: str | None  # the executable, where there is one
    depth: str  # full or quick
    pairs: int | None
    limit_s: float

    def launch(self, name, script, arguments, ranks, environment_of_rank, limit_s):
        """(result or None, failure text or None). Both where a worker failed after it had written
        its result. Logs are kept in any case."""
        left_s = self.limit_s - self.report.elapsed_s()
        if left_s < EXTRA_S:
            raise OutOfTime
        folder = tempfile.mkdtemp(prefix=name + ".", dir=self.scratch)
        result_path = os.path.join(folder, "result.json")

        def environment(rank):
            settings = {"NCCL_DEBUG": "WARN", **environment_of_rank(rank)}
            if settings["NCCL_DEBUG"] == "INFO":
                settings["NCCL_DEBUG_FILE"] = os.path.join(folder, f"{name}.rank{rank}.nccl")
            return settings

        command = [os.path.join(HERE, script), *arguments, "--result", result_path]
        outcome = launch(command, ranks, environment, min(limit_s, left_s), folder, name)
        result = None
        if os.path.exists(result_path):
            with open(result_path) as file:
                result = json.load(file)
            os.remove(result_path)
        self.report.keep_logs(folder)
        if not outcome.ok:
            return result, f"{name}: {outcome.reason}"
        if result is None:
            return None, f"{name}: all ranks ended well, but rank 0 left no result"
        return result, None

    def plugin_environment(self, policy_text, mode):
        """With the policy as vernier itself exports it."""
        paths = [self.plugin_dir, base_environment().get("LD_LIBRARY_PATH", "")]
        return {
            "LD_LIBRARY_PATH": ":".join(path for path in paths if path),
            "NCCL_TUNER_PLUGIN": "vernier",
            "NCCL_VERNIER_POLICY": export_inline(self.vernier, policy_text),
            "NCCL_VERNIER_MODE": mode,
        }

    def situation(self, fabric, nccl):
        return Situation(
            fabric.ranks,
            fabric.nodes,
            self.machine.gpu,
            tuple(nccl.version[:2]),
            fabric.worker_environment(0),
        )

    def judge_digests(self, fabric, handed_over, in_logs=None):
        """(failures, note): whether the calibrated file, what the workers were given, and what the
        plugin says it holds are one policy."""
        if self.vernier is None:
            return [], "digests NOT compared: no vernier executable, so inline_policy.py encoded"
        calibrated = digest_of(self.vernier, fabric.policy_path)
        seen = {"handed to the workers": [digest_of(self.vernier, handed_over)], **(in_logs or {})}
        return digest_problems(calibrated, seen), f"policy {calibrated}"


def _environment_of_rank(fabric, nccl, extra):
    preload = {"LD_PRELOAD": nccl.library} if nccl.preload else {}
    return lambda rank: {**fabric.worker_environment(rank), **preload, **extra}


# ---- tuning: NCCL's own words, memory, first use in a capture ------------------------------------


def _survey(run, fabric, nccl, mode):
    """One survey; mode None is the run without the plugin."""
    extra = {"NCCL_DEBUG": "INFO", "NCCL_DEBUG_SUBSYS": "INIT,TUNING"}
    if mode is not None:
        extra.update(run.plugin_environment(fabric.policy_text(), mode))
    arguments = [
        "--fabric", fabric.name,
        "--clients", ",".join(nccl.clients),
        "--nccl-library", nccl.library,
    ]  # fmt: skip
    if mode == "apply":
        arguments.append("--first-use")
    name = f"{fabric.name}-{nccl.text}-tuning-{mode or 'none'}"
    result, failure = run.launch(
        name, "survey.py", arguments, fabric.ranks, _environment_of_rank(fabric, nccl, extra),
        SURVEY_LIMIT_S,
    )
    if failure is None and tuple(result["nccl"]) != tuple(nccl.version):
        failure = f"{name}: ran NCCL {result['nccl']}, not {nccl.text}"
    if failure is None:
        spoke = any("vernier" in t["init"].lower() for t in result["logs"].values())
        if spoke != (mode is not None):
            failure = f"{name}: the plugin {'speaks' if spoke else 'is not named'} in NCCL's log"
    return result, failure


def _phase_text(logs, phase):
    """The warm-up's line counts with the eager ones."""
    return logs["init"] + logs["eager"] if phase == "eager" else logs[phase]


def _compare_runs(run, fabric, nccl, without, with_plugin, policy, title):
    """Failures of all clients and phases; tables go into the report."""
    failures = []
    oracle = Oracle(policy, run.situation(fabric, nccl))
    for client in nccl.clients:
        channels = comm_channels(without["logs"][client]["init"])
        if channels is None:
            failures.append(f"{title} {client}: no line tells the communicator's channels")
        for phase in ("eager", "graph"):
            lines = [
                parse(_phase_text(result["logs"][client], phase), fabric.ranks)
                for result in (without, with_plugin)
            ]
            # NCCL registers buffers while capturing, which changes how many channels it uses.
            comparison = compare(*lines, oracle, channels if phase == "eager" else None)
            name = f"{title}, {client}, {phase}"
            run.report.detail(f"\n{name}\n{table(comparison)}")
            failures += [f"{name}: {text}" for text in comparison.deviations]
    return failures


def _judge_first_use(run, fabric, nccl, without, applied):
    failures = []
    default_lines = {
        (line.collective, line.total_bytes): line
        for line in parse(without["logs"]["pynccl"]["graph"], fabric.ranks)
    }
    for use in applied["first_use"]:
        call = Call(use["collective"], use["total_bytes"])
        name = f"first use in a capture, {call.collective} {call.total_bytes}"
        failures += [f"{name}: {problem}" for problem in use["problems"]]
        policy = tomllib.loads(use["policy"]) if use["policy"] else fabric.policy()
        oracle = Oracle(policy, run.situation(fabric, nccl))
        default = default_lines[call.collective, call.total_bytes]
        expected = oracle.expect(
            call.collective, call.total_bytes, default.algorithm, default.protocol
        )
        lines = parse(use["text"], fabric.ranks)
        seen = lines[0].choice() if len(lines) == 1 else f"{len(lines)} lines"
        run.report.detail(f"{name}: {seen}, expected rule {expected.rule}")
        if expected.rule is None:
            failures.append(f"{name}: not shown, the rule {expected.reason}")
        elif len(lines) != 1 or (lines[0].algorithm, lines[0].protocol) != (
            expected.algorithm,
            expected.protocol,
        ):
            failures.append(f"{name}: {seen}, not {expected.algorithm}/{expected.protocol}")
    return failures


def tuning_step(run, fabric, nccl, modes):
    """`modes`: what is compared with the run without the plugin, of off and apply."""
    results, failures, notes = {}, [], []
    for mode in (None, *modes):
        results[mode], failure = _survey(run, fabric, nccl, mode)
        if failure:
            return Verdict([failure], notes)
    for mode in modes:
        policy = fabric.policy() if mode == "apply" else EMPTY
        title = f"{fabric.name}, NCCL {nccl.text}, {mode} against no plugin"
        failures += _compare_runs(run, fabric, nccl, results[None], results[mode], policy, title)
    failures += _judge_first_use(run, fabric, nccl, results[None], results["apply"])
    in_logs = {
        f"in the plugin's log, {client}, rank {rank}": digests
        for client, ranks in results["apply"]["digests"].items()
        for rank, digests in enumerate(ranks)
    }
    handed_over = run.plugin_environment(fabric.policy_text(), "apply")["NCCL_VERNIER_POLICY"]
    digest_failures, note = run.judge_digests(fabric, handed_over, in_logs)
    failures += digest_failures
    notes.append(note)
    lines = sum(
        len(parse(_phase_text(results["apply"]["logs"][client], phase), fabric.ranks))
        for client in nccl.clients
        for phase in ("eager", "graph")
    )
    notes.append(f"{lines} lines, {len(results['apply']['first_use'])} first uses")
    memory = " | ".join(
        f"{mode or 'no plugin'} {results[mode]['memory_mib']['created']:.0f}, "
        f"{results[mode]['memory_mib']['after_all_calls']:.0f}"
        for mode in (None, *modes)
    )
    run.report.say(f"  GPU MiB of a communicator (created, after all calls): {memory}")
    return Verdict(failures, notes)


# ---- measure: exactness and paired timing --------------------------------------------------------


def measure_step(run, fabric, nccl, depth):
    plans = [timing_plan(fabric, client, depth, run.pairs) for client in nccl.clients]
    arguments = [
        "--fabric", fabric.name,
        "--clients", ",".join(nccl.clients),
        "--nccl-library", nccl.library,
        "--depth", depth,
    ]  # fmt: skip
    if run.pairs is not None:
        arguments += ["--pairs", str(run.pairs)]
    extra = run.plugin_environment(fabric.policy_text(), "apply")
    failures, note = run.judge_digests(fabric, extra["NCCL_VERNIER_POLICY"])
    notes, results = [note], []
    for turn in range(LAUNCHES[depth]):
        result, failure = run.launch(
            f"{fabric.name}-{nccl.text}-measure{turn}", "measure.py",
            [*arguments, "--turn", str(turn)], fabric.ranks,
            _environment_of_rank(fabric, nccl, extra),
            START_LIMIT_S + sum(2 * plan.limit_s for plan in plans),
        )  # fmt: skip
        failures += [failure] if failure else []
        results += [result] if result else []
    if not results:
        return Verdict(failures, notes)
    for client, exact in results[0]["exact"].items():
        notes.append(f"{client} {exact['checks']} exact checks a rank")
        failures += exact["failures"][:20]
        if len(exact["failures"]) > 20:
            failures.append(f"and {len(exact['failures']) - 20} more")
    timing = join_launches([result["timing"] for result in results])
    run.report.samples({"fabric": fabric.name, "nccl": nccl.text, **cell} for cell in timing)
    oracle = Oracle(fabric.policy(), run.situation(fabric, nccl))
    rows = []
    for client in nccl.clients:
        for mode in ("graph", "eager"):
            cells = [c for c in timing if (c["client"], c["mode"]) == (client, mode)]
            if cells:  # a worker that was stopped leaves what it had
                rows += _report_ratios(run, fabric, nccl, client, mode, cells, oracle, notes)
    failures += [
        f"{fabric.name}, NCCL {nccl.text}, {row.name}: {row.text}"
        for row in rows
        if row.ruled and row.verdict == "regression"
    ]
    outcomes = judge_all(fabric.name, timing, rows)
    run.report.targets({"nccl": nccl.text, **outcome.row()} for outcome in outcomes)
    notes += [outcome.text() for outcome in outcomes]
    return Verdict(failures, notes)


def join_launches(launches):
    """One cell per call, whose arms hold a list of times per launch."""
    joined = {}
    for launch in launches:
        for cell in launch:
            key = cell["client"], cell["mode"], cell["collective"], cell["bytes"]
            empty = {**cell, "arms": {arm: [] for arm in cell["arms"]}}
            for arm, times_us in cell["arms"].items():
                joined.setdefault(key, empty)["arms"][arm].append(times_us)
    return list(joined.values())


def _report_ratios(run, fabric, nccl, client, mode, cells, oracle, notes):
    launches = cells[0]["arms"]["default"]
    pairs, planned = min(map(len, launches)), cells[0]["planned_pairs"]
    title = (
        f"{fabric.name}, NCCL {nccl.text}, {client}, {mode}, "
        f"{len(launches)} launches of {pairs} pairs"
    )
    if pairs < planned:
        title += f" (of {planned}: time was over)"
    rows = ratio_rows(cells, oracle.covering_rule)
    run.report.detail(f"\n{title}\n{RATIO_HEADER}\n" + "\n".join(row.text for row in rows))
    print(f"  {title}\n  {RATIO_HEADER}", flush=True)
    print("\n".join("  " + row.text for row in rows if row.ruled), flush=True)

    def count(verdict, ruled):
        return sum(row.verdict == verdict and row.ruled == ruled for row in rows)

    # Where no rule is, both arms run the same: what differs there is the machine, and the null arm
    # says how often that looks like a regression.
    by_chance = sum(row.null_verdict == "regression" for row in rows)
    notes.append(
        f"{client} {mode}: with a rule {count('win', True)} wins, {count('same', True)} same, "
        f"{count('regression', True)} regressions; without a rule {count('win', False)} wins, "
        f"{count('same', False)} same, {count('regression', False)} below 0.98; "
        f"null arm {by_chance} of {len(rows)} below 0.98"
    )
    return rows


def why_not_here(machine, fabric, nccl):
    """Why this fabric's policy is not for this machine and NCCL, or None."""
    if not os.path.exists(fabric.policy_path):
        return f"no calibrated policy for it: {fabric.policy_path} is not there"
    environ = fabric.worker_environment(0)
    one_node = Situation(fabric.ranks, 1, machine.gpu, tuple(nccl.version[:2]), environ)
    return Oracle(fabric.policy(), one_node).inert_because


def available_fabrics(gpus):
    return [fabric for fabric in FABRICS.values() if fabric.ranks <= gpus]
