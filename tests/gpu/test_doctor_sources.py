# SPDX-License-Identifier: Apache-2.0
import unittest

import doctor_sources as sources

TOPO = """\t\x1b[4mGPU0\tGPU1\tNIC0\tCPU Affinity\tNUMA Affinity\tGPU NUMA ID\x1b[0m
GPU0\t X \tNV18\tPIX\t0-31\t0\t\tN/A
GPU1\tNV18\t X \tSYS\t32-63\t1\t\tN/A
NIC0\tPIX\tSYS\t X \t\t\t\t

Legend:

  X    = Self

NIC Legend:

  NIC0: mlx5_0
"""
DEVINFO = """hca_id:\tmlx5_0
\ttransport:\t\t\tInfiniBand (0)
\tfw_ver:\t\t\t\t28.39.3560
\tphys_port_cnt:\t\t\t1
\t\tport:\t1
\t\t\tstate:\t\t\tPORT_ACTIVE (4)
\t\t\tlink_layer:\t\tInfiniBand
"""


class DoctorSources(unittest.TestCase):
    def test_query(self):
        line = "00000000:18:00.0, NVIDIA H200, 580.1, 9.0, 5, 16, [N/A]\n"
        self.assertEqual(sources.gpus_of_query(line), [{
            "pci": "0000:18:00.0", "name": "NVIDIA H200", "driver": "580.1",
            "compute_capability": "9.0", "pcie_generation_max": 5, "pcie_width": 16,
            "pcie_width_max": None}])

    def test_links(self):
        text = ("GPU 0: NVIDIA H200 (UUID: GPU-1)\n\t Link 0: 26.562 GB/s\n\t Link 1: <inactive>\n"
                "GPU 1: NVIDIA H200 (UUID: GPU-2)\n")
        self.assertEqual(sources.links_of_status(text), [1, 0])

    def test_matrix(self):
        self.assertEqual(sources.matrix_of_topo(TOPO), {
            ("GPU0", "GPU1"): "NV18", ("GPU0", "mlx5_0"): "PIX",
            ("GPU1", "GPU0"): "NV18", ("GPU1", "mlx5_0"): "SYS"})
        self.assertEqual(sources.matrix_of_topo("nothing\n"), {})

    def test_devinfo(self):
        self.assertEqual(sources.devices_of_devinfo(DEVINFO), {
            "mlx5_0": {"firmware": "28.39.3560",
                       "ports": {1: {"state": "ACTIVE", "link_layer": "InfiniBand"}}}})


if __name__ == "__main__":
    unittest.main()
