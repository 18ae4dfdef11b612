"""Settings that cannot work are refused before anything slow happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bot.__main__ import run
from bot.errors import SettingsError
from bot.settings import read_settings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TRUST_PROXY", "nonsense"),
        ("TRUST_PROXY", "10.0.0.1,proxy.example"),
        ("TRUST_PROXY", "10.0.0.300"),
        ("TRUST_PROXY", "10.0.0.1/8"),  # not a network: a part of its own address is outside the mask
        ("TRUST_PROXY", "10.0.0.1:80"),
        ("PUBLIC_URL", "https://chat.example/errata"),
        ("PUBLIC_URL", "https://chat.example/?a=b"),
        ("PUBLIC_URL", "https://chat.example?a=b"),
        ("PUBLIC_URL", "https://chat.example/#top"),
        ("PUBLIC_URL", "https://user@chat.example"),
        ("PUBLIC_URL", "https://chat.example//"),
        ("PUBLIC_URL", "chat.example"),
        ("PUBLIC_URL", "ftp://chat.example"),
        ("PUBLIC_URL", "https://"),
        ("PUBLIC_URL", "https://chat.example:99999"),
        ("HOSTS", "https://chat.example"),
        ("HOSTS", "chat.example:8000"),
        ("HOSTS", "*"),
        ("HOSTS", "a b"),
        ("HOSTS", "good.example,.bad.example"),
        ("VISITOR_COLLECTIONS", "main,two words"),
    ],
)
def test_settings_that_cannot_work_are_named_before_a_model_loads(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str, value: str
) -> None:
    monkeypatch.setenv("ERRATA_DATA", str(tmp_path / "var"))
    monkeypatch.setenv(f"ERRATA_{name}", value)
    assert run(["serve"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""  # "Loading the models" would be the first line
    assert printed.err.startswith(f"errata: ERRATA_{name}=")
    assert "Traceback" not in printed.err
    assert not (tmp_path / "var").exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TRUST_PROXY", "10.0.0.1, 10.0.0.0/8,::1,fd00::/8"),
        ("TRUST_PROXY", "*"),
        ("PUBLIC_URL", "https://chat.example"),
        ("PUBLIC_URL", "HTTPS://Chat.example:8443/"),
        ("PUBLIC_URL", "http://192.168.0.7:8000"),
        ("PUBLIC_URL", "http://[fd00::1]:8000/"),
        ("HOSTS", "errata,errata.lan,192.168.0.7,[fd00::1],fd00::2,my_service"),
        ("VISITOR_COLLECTIONS", "main, shop"),
    ],
)
def test_what_works_is_taken(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"ERRATA_{name}", value)
    read_settings()


def test_every_wrong_setting_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ERRATA_TRUST_PROXY", "nonsense")
    monkeypatch.setenv("ERRATA_PUBLIC_URL", "https://chat.example/errata")
    with pytest.raises(SettingsError) as refused:
        read_settings()
    assert "'nonsense' is no IP address or network" in str(refused.value)
    assert "without a path" in str(refused.value)
