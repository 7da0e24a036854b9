# tests/fault/conftest.py — the integration tests' fixtures and workers, for the fault tests too.
"""Shares `scratch` and `make_fleet` with tests/integration."""

import importlib.util
import os

_path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration", "conftest.py")
_spec = importlib.util.spec_from_file_location("integration_conftest", _path)
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
pytest_addoption = _module.pytest_addoption
pytest_configure = _module.pytest_configure
pytest_runtestloop = _module.pytest_runtestloop
pytest_runtest_makereport = _module.pytest_runtest_makereport
lender = _module.lender
scratch = _module.scratch
make_fleet = _module.make_fleet
need_sluice = _module.need_sluice
