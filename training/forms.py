"""Forms of the dashboard. Before: a slot's configuration dataclass, a schedule. After: pages.py."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from typing import Any

from django import forms

from accounts.models import check_time_zone
from training.configuration import (
    KINDS_IN_WORDS,
    ConfigurationField,
    WrongConfiguration,
    fields_of,
    flatten,
    read_configuration,
    read_text,
    unflatten,
)
from training.models import Schedule
from training.schedule import WrongCron, check_cron


class ConfigurationForm(forms.Form):
    """One form field per field of the slot's configuration, with its bounds and its docstring as help."""

    def __init__(
        self, configuration: type, data: Mapping[str, Any] | None = None, given: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(data)
        self.configuration = configuration
        self.known = {field.name: field for field in fields_of(configuration)}
        values = flatten(given or {})
        for field in self.known.values():
            self.fields[field.name] = _form_field(field)
            self.fields[field.name].bounds = "" if field.choices else field.bounds  # type: ignore[attr-defined]  # for the page
            self.fields[field.name].initial = _shown(values.get(field.name, field.default))
        self.fields["seed"] = forms.IntegerField(
            label="seed", min_value=0, max_value=2**31 - 1, required=False, help_text="Empty: a new one is drawn."
        )

    def clean(self) -> dict[str, Any]:
        """Every value as the dataclass wants it; what it refuses is shown at its field."""
        cleaned = super().clean() or {}
        if self.errors:
            return cleaned
        try:
            flat = {name: read_text(field, str(cleaned[name])) for name, field in self.known.items()}
            read_configuration(self.configuration, unflatten(flat))
            cleaned["configuration"] = unflatten(flat)
        except WrongConfiguration as wrong:
            self.add_error(wrong.field if wrong.field in self.fields else None, str(wrong))
        return cleaned


def _form_field(field: ConfigurationField) -> forms.Field:
    kind = next((one for one in typing.get_args(field.type) if one is not type(None)), field.type)
    shown: dict[str, Any] = {
        "label": field.name.replace("_", " ").replace(".", " · "),
        "help_text": field.help.replace("`", ""),
        "required": False,
    }
    if field.type is bool:
        return forms.BooleanField(**shown)
    if field.choices:
        return forms.ChoiceField(choices=[(str(one), str(one)) for one in field.choices], **shown)
    if field.type in (int, float):
        words = {
            "required": f"It must be {field.bounds or 'a number'}.",
            "invalid": f"It must be {KINDS_IN_WORDS[field.type]}.",
        }
        shown |= {"required": True, "min_value": field.low, "max_value": field.high}
        shown["error_messages"] = words | dict.fromkeys(("min_value", "max_value"), f"It must be {field.bounds}.")
        if field.type is int:
            return forms.IntegerField(**shown)
        return forms.FloatField(widget=forms.NumberInput(attrs={"step": "any"}), **shown)
    return forms.CharField(widget=forms.TextInput(attrs={"inputmode": "decimal"} if kind in (int, float) else {}), **shown)


def _shown(value: Any) -> Any:
    return ", ".join(map(str, value)) if isinstance(value, tuple | list) else value


class ScheduleForm(forms.ModelForm[Schedule]):
    """When a slot retrains by itself."""

    class Meta:
        model = Schedule
        fields = ("is_enabled", "cron", "time_zone", "minimum_new_feedback")
        labels = {"is_enabled": "retrain by schedule", "cron": "cron expression", "minimum_new_feedback": "new feedback needed"}
        help_texts = {
            "cron": "Minute, hour, day of month, month, day of week: 0 3 * * * is every night at three.",
            "time_zone": "A name of the zone database, for example Europe/Berlin: its clock changes are respected.",
            "minimum_new_feedback": "With fewer new feedback rows since the last finished run, the run is skipped.",
        }

    def clean_cron(self) -> str:
        """Refuses what is not a cron expression."""
        cron = " ".join(str(self.cleaned_data["cron"]).split())
        try:
            check_cron(cron)
        except WrongCron as wrong:
            raise forms.ValidationError(str(wrong)) from wrong
        return cron

    def clean_time_zone(self) -> str:
        """Refuses a zone that the zone database does not know."""
        check_time_zone(self.cleaned_data["time_zone"])
        return str(self.cleaned_data["time_zone"])


class PromotionForm(forms.Form):
    """Makes a version the champion."""

    version = forms.IntegerField(widget=forms.HiddenInput)
    reason = forms.CharField(max_length=500, required=False)


class CanaryForm(forms.Form):
    """Serves a version to a share of listeners."""

    version = forms.IntegerField(widget=forms.HiddenInput)
    percent = forms.FloatField(min_value=0.1, max_value=50, initial=5)
    reason = forms.CharField(max_length=500, required=False)


class ReasonForm(forms.Form):
    """Why something is done; kept with it."""

    reason = forms.CharField(max_length=500, required=False)
