"""Settings name the variable that is missing or wrong."""

import socket
from pathlib import Path

import pytest

from engines.base.bus import BusOptions
from engines.base.settings import Settings, SettingsError

GIVEN = {"NAUTILUS_ENGINE": "risk", "PORT": "8200", "NAUTILUS_PRICES": "/prices.npz"}


def test_what_is_left_out_has_a_default() -> None:
    settings = Settings.from_environment(GIVEN)
    assert settings == Settings("risk", socket.gethostname(), "dev", 8200, Path("/prices.npz"), 0.5)


def test_everything_can_be_set() -> None:
    more = {"NAUTILUS_REPLICA": "risk-3", "NAUTILUS_VERSION": "1.2", "NAUTILUS_DRAIN": "2.5"}
    assert Settings.from_environment(GIVEN | more) == Settings("risk", "risk-3", "1.2", 8200, Path("/prices.npz"), 2.5)


def test_the_bus_is_found_through_the_environment() -> None:
    assert Settings.from_environment(GIVEN | {"REDIS_HOST": "redis"}).bus == BusOptions(host="redis")
    more = {
        "REDIS_HOST": "redis", "REDIS_PORT": "6380", "REDIS_PASSWORD_FILE": "/run/secrets/redis/password",
        "REDIS_CONNECTION_TIMEOUT": "1.5", "AUTO_RECONNECT": "false", "HEALTH_MONITORING": "False",
    }  # fmt: skip
    assert Settings.from_environment(GIVEN | more).bus == BusOptions(
        host="redis",
        port=6380,
        password_file=Path("/run/secrets/redis/password"),
        connection_timeout=1.5,
        auto_reconnect=False,
        health_monitoring=False,
    )


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
        ("REDIS_PORT", "http"),
        ("REDIS_CONNECTION_TIMEOUT", "0"),
        ("AUTO_RECONNECT", "maybe"),
        ("HEALTH_MONITORING", "1"),
        ("NAUTILUS_ENGINE", "../risk"),
        ("NAUTILUS_ENGINE", "Risk"),
        ("NAUTILUS_ENGINE", "risk.service"),
    ],
)
def test_a_wrong_value_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name}: .*{value}"):
        Settings.from_environment(GIVEN | {"REDIS_HOST": "redis", name: value})
