"""Wrong settings are said at the start, by id; variables that make no sense stop it with their name."""

from pathlib import Path

import pytest
from pytest_django import Settings

from config import checks, environment
from config.environment import WrongSetting


def ids(found: list[object]) -> list[str]:
    return [message.id for message in found]  # type: ignore[attr-defined]


def test_the_settings_of_the_tests_are_fine() -> None:
    every = [checks.check_folder, checks.check_rates, checks.check_hosts, checks.check_https, checks.check_mail]
    every += [checks.check_database_kind]

    assert [message for check in every for message in check(None)] == []


def test_a_folder_below_a_file_is_refused(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings.ENCORE_VAR = tmp_path / "file" / "var"

    assert ids([*checks.check_folder(None)]) == ["encore.E001"]


@pytest.mark.parametrize("rate", ["many", "10", "10/fortnight", "ten/min"])
def test_a_rate_that_nobody_understands_is_refused(settings: Settings, rate: str) -> None:
    settings.REST_FRAMEWORK = {"DEFAULT_THROTTLE_RATES": {"anonymous": rate, "account": "1200/min"}}

    assert ids([*checks.check_rates(None)]) == ["encore.E002"]


def test_every_host_at_once_is_refused(settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["*"]

    assert ids([*checks.check_hosts(None)]) == ["encore.E003"]


def test_an_origin_needs_its_scheme(settings: Settings) -> None:
    settings.CSRF_TRUSTED_ORIGINS = ["music.example.org"]

    assert ids([*checks.check_hosts(None)]) == ["encore.E004"]


def test_another_kind_of_database_is_refused(settings: Settings) -> None:
    settings.ENCORE_DATABASE_SCHEME = "mysql"

    assert ids([*checks.check_database_kind(None)]) == ["encore.E005"]


def test_a_public_host_without_https_is_warned_about(settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["music.example.org"]

    assert ids([*checks.check_https(None)]) == ["encore.W001"]


def test_a_public_host_without_mail_is_warned_about(settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["music.example.org"]
    assert ids([*checks.check_mail(None)]) == ["encore.W002"]

    settings.EMAIL_HOST = "smtp.example.org"
    assert checks.check_mail(None) == []
    settings.ENCORE_HTTPS = True
    assert checks.check_https(None) == []


def test_a_number_out_of_its_bounds_names_variable_and_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENCORE_EPSILON", "0.01")

    with pytest.raises(WrongSetting, match=r"ENCORE_EPSILON is 0.01; it must lie between 0.1 and 1"):
        environment.read_number("ENCORE_EPSILON", 0.1, low=0.1, high=1)


@pytest.mark.parametrize(("text", "value"), [("true", True), ("0", False), ("", False), ("YES", True)])
def test_true_and_false_are_understood_in_the_usual_words(monkeypatch: pytest.MonkeyPatch, text: str, value: bool) -> None:
    monkeypatch.setenv("ENCORE_HTTPS", text)

    assert environment.read_boolean("ENCORE_HTTPS", default=False) is value


def test_maybe_is_not_a_truth_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENCORE_HTTPS", "maybe")

    with pytest.raises(WrongSetting, match="ENCORE_HTTPS is 'maybe'; it must be true or false"):
        environment.read_boolean("ENCORE_HTTPS", default=False)


def test_the_shell_wins_over_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ENCORE_HOST", "from the shell")
    monkeypatch.delenv("ENCORE_OWNER", raising=False)
    (tmp_path / ".env").write_text("# a comment\n\nENCORE_HOST=from the file\nexport ENCORE_OWNER='olga@example.org'\n")

    environment.load_file(tmp_path / ".env")

    assert environment.read_text("ENCORE_HOST") == "from the shell"
    assert environment.read_text("ENCORE_OWNER") == "olga@example.org"
    monkeypatch.delenv("ENCORE_OWNER")


def test_a_line_that_is_no_setting_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("ENCORE_HOST\n")

    with pytest.raises(WrongSetting, match="line 1"):
        environment.load_file(tmp_path / ".env")
