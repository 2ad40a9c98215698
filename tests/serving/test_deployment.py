"""What is given for deployment agrees with the program: compose file, Dockerfile, systemd unit."""

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
UNIT = re.search(r"```ini\n(.*?)```", (ROOT / "docs/serving.md").read_text(encoding="utf-8"), re.DOTALL)
OPTIONS = set(re.findall(r"ENV \+ \"(\w+)\"", (ROOT / "src/harmonium/cli/serve.py").read_text(encoding="utf-8")))
KNOWN = {f"HARMONIUM_{name}" for name in OPTIONS} | {"HARMONIUM_STORE"}


def named(text: str) -> set[str]:
    """Environment variables of the program that a text sets."""
    return set(re.findall(r"HARMONIUM_\w+", text))


def test_the_compose_file_can_be_read_and_names_known_settings():
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    found = yaml.safe_load(text)
    assert set(found["services"]) == {"harmonium", "postgres"}
    assert set(found["volumes"]) == {
        volume.split(":")[0] for s in found["services"].values() for volume in s["volumes"]
    }
    assert named(text) and named(text) <= KNOWN


def test_the_dockerfile_names_known_settings_and_installs_what_the_project_has():
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert named(text) <= KNOWN
    extras = set(re.findall(r"\[(\w+)\]'", text))
    assert extras == {"serve"} and "\nserve = [" in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_the_systemd_unit_is_one(tmp_path):
    assert UNIT is not None and named(UNIT[1]) <= KNOWN
    parser = configparser.ConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment]
    parser.read_string(UNIT[1])
    assert parser.sections() == ["Unit", "Service", "Install"]
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze")
    unit = tmp_path / "harmonium.service"
    unit.write_text(UNIT[1].replace("/opt/harmonium/bin/harmonium", sys.executable), encoding="utf-8")
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "harmonium.service" not in done.stderr, done.stderr
