"""Makes a version the champion. Before: show_verdict. After: promotion.py."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models import Account
from accounts.permissions import has_role
from training import promotion
from training.models import PolicyVersion, Promotion, Verdict
from training.promotion import PromotionRefused


class Command(BaseCommand):
    """`manage.py promote 7`; a version that isn't proven needs `--reason` and `--by`."""

    help = "Makes a version the champion of its slot, on its verdict or with a reason."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The version, and why."""
        parser.add_argument("version", type=int)
        parser.add_argument("--reason", default="")
        parser.add_argument("--by", default="", metavar="EMAIL", help="the account that answers for a version without a proof")

    def handle(self, *args: Any, **options: Any) -> None:
        """Promotes, or says why not."""
        version = PolicyVersion.objects.filter(pk=options["version"]).first()
        if version is None:
            raise CommandError(f"There is no version {options['version']}.")
        champion = promotion.champion_of(version.slot)
        verdict = version.verdicts.filter(champion=champion, outcome=Verdict.Outcome.PROMOTE).first()
        kind = Promotion.Kind.VERDICT if verdict else Promotion.Kind.FORCED
        by = Account.objects.filter(email__iexact=options["by"]).first() if options["by"] else None
        if options["by"] and (by is None or not has_role(by, Account.Role.OPERATOR)):
            raise CommandError(f"{options['by']} is no operator's account.")
        try:
            promotion.promote(version.slot, version, kind, by, options["reason"], verdict)
        except PromotionRefused as refusal:
            raise CommandError(str(refusal)) from refusal
        self.stdout.write(f"{version} serves now.")
