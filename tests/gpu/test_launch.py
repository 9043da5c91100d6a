# SPDX-License-Identifier: Apache-2.0
import os
import tempfile
import time
import unittest

import launch as launch_module
from launch import base_environment, launch


class Launch(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def run_ranks(self, code, limit_s=20.0, ranks=3, environment=lambda rank: {}):
        script = os.path.join(self.folder, "worker.py")
        with open(script, "w") as file:
            file.write("import os, signal, sys, time\nrank = int(os.environ['RANK'])\n" + code)
        return launch([script], ranks, environment, limit_s, self.folder, "worker")

    def test_every_rank_knows_who_it_is(self):
        outcome = self.run_ranks(
            "assert os.environ['LOCAL_RANK'] == str(rank) and os.environ['WORLD_SIZE'] == '3'\n"
            "assert os.environ['MASTER_ADDR'] and int(os.environ['MASTER_PORT'])\n"
            "assert os.environ['MINE'] == f'value{rank}' and 'HOME' not in os.environ\n",
            environment=lambda rank: {"MINE": f"value{rank}", "HOME": None},
        )
        self.assertTrue(outcome.ok, outcome.reason)

    def test_a_failing_rank_ends_the_run_and_is_named(self):
        started_s = time.monotonic()
        outcome = self.run_ranks(
            "if rank == 1:\n    sys.exit('the reason')\ntime.sleep(60)\n", limit_s=50
        )
        self.assertFalse(outcome.ok)
        self.assertIn("rank 1 exited with 1", outcome.reason)
        self.assertIn("the reason", outcome.reason)
        self.assertLess(time.monotonic() - started_s, launch_module.GRACE_S + 5)

    def test_a_killed_rank_is_a_failure(self):
        outcome = self.run_ranks("os.kill(os.getpid(), signal.SIGKILL) if rank == 2 else None\n")
        self.assertIn("rank 2 was killed by SIGKILL", outcome.reason)

    def test_a_hanging_rank_ends_the_run_and_is_named(self):
        outcome = self.run_ranks(
            "import faulthandler\nfaulthandler.register(signal.SIGUSR1)\n"
            "def stuck_here():\n    time.sleep(60)\n"
            "stuck_here() if rank == 2 else None\n",
            limit_s=1.5,
        )
        self.assertFalse(outcome.ok)
        self.assertIn("not finished after", outcome.reason)
        self.assertIn("rank 2", outcome.reason)
        self.assertIn("stuck_here", outcome.reason)
        self.assertLess(outcome.seconds, 10)

    def test_no_process_is_left_behind(self):
        self.run_ranks(
            f"open(os.path.join({self.folder!r}, f'pid{{rank}}'), 'w').write(str(os.getpid()))\n"
            "sys.exit(1) if rank == 0 else time.sleep(60)\n"
        )
        for rank in range(3):
            with open(os.path.join(self.folder, f"pid{rank}")) as file:
                self.assertFalse(os.path.exists(f"/proc/{file.read()}"))

    def test_disturbing_variables_are_removed_and_others_stay(self):
        cleaned = base_environment(
            {"NCCL_ALGO": "Tree", "NCCL_VERNIER_MODE": "off", "NCCL_NVLS_ENABLE": "0", "PATH": "x"}
        )
        self.assertEqual(cleaned, {"NCCL_NVLS_ENABLE": "0", "PATH": "x"})


if __name__ == "__main__":
    unittest.main()
