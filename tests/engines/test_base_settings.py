"""Settings name the variable that is missing or wrong."""

import socket
from pathlib import Path

import pytest

from engines.base.settings import Settings, SettingsError

GIVEN = {"NAUTILUS_ENGINE": "risk", "PORT": "8200", "NAUTILUS_PRICES": "/prices.npz"}


def test_what_is_left_out_has_a_default() -> None:
    settings = Settings.from_environment(GIVEN)
    assert settings == Settings("risk", socket.gethostname(), "dev", 8200, Path("/prices.npz"), 0.5)


def test_everything_can_be_set() -> None:
    more = {"NAUTILUS_REPLICA": "risk-3", "NAUTILUS_VERSION": "1.2", "NAUTILUS_DRAIN": "2.5"}
    assert Settings.from_environment(GIVEN | more) == Settings("risk", "risk-3", "1.2", 8200, Path("/prices.npz"), 2.5)


@pytest.mark.parametrize("name", sorted(GIVEN))
@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_variable_is_named(name: str, value: str | None) -> None:
    environment = {key: text for key, text in GIVEN.items() if key != name}
    if value is not None:
        environment[name] = value
    with pytest.raises(SettingsError, match=f"^{name} is not set$"):
        Settings.from_environment(environment)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "http"),
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "nan"),
        ("PORT", "80.5"),
        ("NAUTILUS_DRAIN", "-1"),
        ("NAUTILUS_DRAIN", "soon"),
        ("NAUTILUS_ENGINE", "../risk"),
        ("NAUTILUS_ENGINE", "Risk"),
        ("NAUTILUS_ENGINE", "risk.service"),
    ],
)
def test_a_wrong_value_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name}: .*{value}"):
        Settings.from_environment(GIVEN | {name: value})
