"""Which of the host's settings reach a build."""

from __future__ import annotations

from pathlib import Path

import pytest

from nautilus_cli.runtimes.sources import ca_bundle, has_password, pip_settings, proxies

NO_FILES = {"PIP_CONFIG_FILE": "/dev/null"}


def test_the_environment_wins_over_the_files(tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text("[global]\nindex-url = https://file/simple\ntrusted-host =\n  one\n  two\n")
    found = pip_settings({"PIP_CONFIG_FILE": str(tmp_path / "pip.conf"), "PIP_INDEX_URL": "https://env/simple"})
    assert (found["PIP_INDEX_URL"], found["PIP_TRUSTED_HOST"]) == ("https://env/simple", "one two")


def test_a_later_file_wins_and_the_install_section_over_the_global_one(tmp_path: Path) -> None:
    (tmp_path / ".pip").mkdir()
    (tmp_path / ".pip/pip.conf").write_text("[global]\nindex_url = https://old\ntimeout = 7\n")
    (tmp_path / "pip").mkdir()
    (tmp_path / "pip/pip.conf").write_text("[global]\nindex-url = https://global\n[install]\nindex-url = https://new\n")
    found = pip_settings({"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)})
    assert (found["PIP_INDEX_URL"], found["PIP_DEFAULT_TIMEOUT"]) == ("https://new", "7")


def test_files_and_loopback_addresses_mean_nothing_in_a_container() -> None:
    urls = "file:///opt/simple https://mirror/simple http://localhost:3141/ http://127.0.0.1/ http://[::1]/ ftp://x"
    assert pip_settings({**NO_FILES, "PIP_EXTRA_INDEX_URL": urls}) == {"PIP_EXTRA_INDEX_URL": "https://mirror/simple"}


def test_nothing_set_is_nothing_passed(tmp_path: Path) -> None:
    assert pip_settings({**NO_FILES, "PIP_INDEX_URL": "file:///opt/simple"}) == {}
    assert proxies({}) == {}
    assert ca_bundle({"PIP_CERT": str(tmp_path / "gone"), "SSL_CERT_FILE": str(tmp_path)}) is None


def test_a_broken_file_is_left_to_pip(tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text("no section\n")
    assert pip_settings({"PIP_CONFIG_FILE": str(tmp_path / "pip.conf")}) == {}


def test_proxies_that_a_container_reaches_are_passed() -> None:
    given = {"HTTP_PROXY": "http://proxy:3128", "https_proxy": "proxy:3128", "HTTPS_PROXY": "http://localhost:8"}
    assert proxies({**given, "NO_PROXY": "localhost"}) == {
        "HTTP_PROXY": "http://proxy:3128",
        "https_proxy": "proxy:3128",
        "NO_PROXY": "localhost",
    }


def test_the_first_bundle_that_exists_is_used(tmp_path: Path) -> None:
    (tmp_path / "ca").write_bytes(b"certificates")
    environ = {"PIP_CERT": "/gone", "REQUESTS_CA_BUNDLE": str(tmp_path / "ca"), "SSL_CERT_FILE": "/etc/hostname"}
    assert ca_bundle(environ) == b"certificates"


@pytest.mark.parametrize(
    ("value", "secret"),
    [("https://me:pw@host/simple", True), ("https://a https://token@b", True), ("https://host/@scope", False)],
)
def test_a_password_is_seen(value: str, secret: bool) -> None:
    assert has_password(value) is secret
