# SPDX-License-Identifier: Apache-2.0
"""What other programs say of a machine, in the words of `vernier doctor --json`. Text in, facts out."""

import re

GPU_QUERY = ("pci.bus_id,name,driver_version,compute_cap,pcie.link.gen.max,pcie.link.width.current,"
             "pcie.link.width.max")


def pci_address(bus_id):
    """00000000:18:00.0 as sysfs writes it: 0000:18:00.0"""
    domain, rest = bus_id.strip().lower().split(":", 1)
    return f"{int(domain, 16):04x}:{rest}"


def gpus_of_query(text):
    """nvidia-smi --query-gpu=GPU_QUERY --format=csv,noheader"""
    gpus = []
    for line in text.strip().splitlines():
        bus, name, driver, capability, generation, width, width_max = \
            (part.strip() for part in line.split(","))
        number = lambda word: int(word) if word.isdigit() else None  # "[N/A]"
        gpus.append({"pci": pci_address(bus), "name": name, "driver": driver,
                     "compute_capability": capability, "pcie_generation_max": number(generation),
                     "pcie_width": number(width), "pcie_width_max": number(width_max)})
    return gpus


def links_of_status(text):
    """nvidia-smi nvlink --status: links that are up, by GPU in order."""
    counts = []
    for line in text.splitlines():
        if re.match(r"GPU \d+:", line):
            counts.append(0)
        elif re.search(r"Link \d+: [\d.]+ GB/s", line):
            counts[-1] += 1
    return counts


def matrix_of_topo(text):
    """nvidia-smi topo -m: {("GPU0", "GPU1"): "NV18", ("GPU0", "mlx5_0"): "PIX", ...}"""
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    names = dict(re.findall(r"^\s*(NIC\d+): (\S+)\s*$", text, re.MULTILINE))
    rows = [line.split("\t") for line in text.splitlines() if line.startswith(("\t", "GPU", " "))]
    header = next((row for row in rows if "GPU0" in [cell.strip() for cell in row[1:]]), None)
    if header is None:
        return {}
    columns = [cell.strip() for cell in header]
    matrix = {}
    for row in rows:
        if not re.fullmatch(r"GPU\d+", row[0].strip()):
            continue
        for column, cell in zip(columns[1:], row[1:]):
            if re.fullmatch(r"(GPU|NIC)\d+", column) and cell.strip() != "X":
                matrix[row[0].strip(), names.get(column, column)] = cell.strip()
    return matrix


def devices_of_devinfo(text):
    """ibv_devinfo: {"mlx5_0": {"firmware": ..., "ports": {1: {"state": ..., "link_layer": ...}}}}"""
    devices, device, port = {}, None, None
    for line in text.splitlines():
        key, _, value = (part.strip() for part in line.partition(":"))
        if key == "hca_id":
            device = devices[value] = {"firmware": None, "ports": {}}
        elif key == "fw_ver":
            device["firmware"] = value
        elif key == "port":
            port = device["ports"][int(value)] = {}
        elif key == "state":
            port["state"] = re.match(r"PORT_(\w+)", value)[1]
        elif key == "link_layer":
            port["link_layer"] = value
    return devices
