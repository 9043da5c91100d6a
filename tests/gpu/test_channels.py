# SPDX-License-Identifier: Apache-2.0
import unittest

from channels import used_channels

KIB = 1024
REQUESTS = (1, 2, 4, 8, 16, 24, 32)
COMM_CHANNELS = 32

# Used channels of an allreduce, from the facts file (a simulation of NCCL's scheduler).
ALLREDUCE = {
    # (version, protocol): {KiB: used channels for each request}
    ((2, 28), "ll"): {
        2: (1, 1, 1, 1, 1, 1, 1),
        4: (1, 2, 2, 2, 2, 2, 2),
        8: (1, 2, 4, 4, 4, 4, 4),
        16: (1, 2, 4, 8, 8, 8, 8),
        32: (1, 2, 4, 8, 16, 16, 16),
        64: (1, 2, 4, 8, 16, 16, 32),
        128: (1, 2, 4, 8, 16, 22, 32),
        256: (1, 2, 4, 8, 16, 22, 32),
    },
    ((2, 28), "ll128"): {
        8: (1, 1, 1, 1, 1, 1, 1),
        16: (1, 2, 2, 2, 2, 2, 2),
        32: (1, 2, 4, 4, 4, 4, 4),
        64: (1, 2, 4, 8, 8, 8, 8),
        128: (1, 2, 4, 8, 16, 16, 16),
        256: (1, 2, 4, 8, 16, 16, 32),
    },
    ((2, 30), "ll"): {
        4: (1, 1, 1, 1, 1, 1, 1),
        8: (1, 2, 2, 2, 2, 2, 2),
        16: (1, 2, 4, 4, 4, 4, 4),
        32: (1, 2, 4, 8, 8, 8, 8),
        64: (1, 2, 4, 8, 16, 16, 16),
        128: (1, 2, 4, 8, 16, 16, 32),
        256: (1, 2, 4, 8, 16, 22, 32),
    },
    ((2, 30), "simple"): {
        16: (1, 1, 1, 1, 1, 1, 1),
        32: (1, 2, 2, 2, 2, 2, 2),
        64: (1, 2, 4, 4, 4, 4, 4),
        128: (1, 2, 4, 8, 8, 8, 8),
        256: (1, 2, 4, 8, 16, 16, 16),
    },
}


class UsedChannels(unittest.TestCase):
    def test_allreduce_table(self):
        for (version, protocol), rows in ALLREDUCE.items():
            for kib, wanted in rows.items():
                call = (version, "allreduce", protocol, kib * KIB, 4)
                seen = tuple(
                    used_channels(*call, request, COMM_CHANNELS) for request in REQUESTS
                )
                self.assertEqual(seen, wanted, f"{version} {protocol} {kib} KiB")

    def test_two_channels_need_this_many_allgather_bytes_on_eight_ranks(self):
        for version, protocol, one_channel_up_to in (
            ((2, 25), "ll", 16 * KIB),
            ((2, 28), "ll", 4 * KIB),
            ((2, 28), "simple", 16 * KIB),
            ((2, 30), "ll", 8 * KIB),
            ((2, 30), "ll128", 32 * KIB),
        ):
            def used(total_bytes):
                return used_channels(version, "allgather", protocol, total_bytes, 8, 16, 32)

            self.assertEqual(used(one_channel_up_to), 1, f"{version} {protocol}")
            self.assertEqual(used(one_channel_up_to + 8 * 16), 2, f"{version} {protocol}")

    def test_never_more_than_the_communicator_has(self):
        self.assertEqual(used_channels((2, 28), "allreduce", "ll", 256 * KIB, 4, 32, 16), 16)

    def test_unknown_releases_give_no_number(self):
        self.assertIsNone(used_channels((2, 22), "allreduce", "ll", 8 * KIB, 4, 8, 32))
        self.assertIsNone(used_channels((2, 31), "allreduce", "ll", 8 * KIB, 4, 8, 32))


if __name__ == "__main__":
    unittest.main()
