"""`manage.py import_catalogue`: music from the corpus collections or a folder. After: browse, recommend, learn."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from recsys import catalogue, corpus
from recsys.models import CatalogueImport


class Command(BaseCommand):
    """Runs in the foreground and says what became of every file."""

    help = "Imports the starter collections (default: all of ENCORE_COLLECTIONS) or a folder of your own files."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """What may be imported."""
        parser.add_argument("--collection", action="append", default=[], choices=sorted(corpus.BY_NAME), help="may be repeated")
        parser.add_argument("--folder", type=Path, help="a folder of MIDI, ABC, MusicXML (.xml, .musicxml, .mxl) files")
        parser.add_argument("--name", default="", help="name of the folder's collection (default: the folder's name)")
        parser.add_argument("--licence", default="", help="licence of the folder's files, shown on every track")
        parser.add_argument("--style", default="", help="of all files of the folder; a new name makes a new style")
        parser.add_argument("--limit", type=int, help="at most so many tunes (files of a folder)")
        parser.add_argument(
            "--first", action="store_true", help="a varied beginning of all collections, into an empty catalogue"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Imports and reports."""
        if options["limit"] is not None and options["limit"] < 1:
            raise CommandError("--limit must be at least 1")
        if options["folder"] is not None and options["collection"]:
            raise CommandError("--folder and --collection exclude each other")
        if options["style"] and options["folder"] is None:
            raise CommandError("--style goes with --folder")
        if options["folder"] is not None:
            self._report(self._import_folder(options))
            return
        try:
            notice = catalogue.licence_notice(options["collection"])
            if notice:
                self.stdout.write(self.style.WARNING(notice))
            if options["first"]:
                first = catalogue.import_first(options["limit"] or 300)
                records = [first] if first else []
            else:
                records = catalogue.import_collections(options["collection"], limit=options["limit"])
        except (ValueError, FileNotFoundError) as error:
            raise CommandError(str(error)) from error
        for record in records:
            self._report(record)

    def _import_folder(self, options: dict[str, Any]) -> CatalogueImport:
        try:
            return catalogue.import_folder(
                options["folder"],
                collection=options["name"],
                licence=options["licence"],
                style=options["style"],
                limit=options["limit"],
            )
        except (NotADirectoryError, ValueError) as error:
            raise CommandError(str(error)) from error

    def _report(self, record: CatalogueImport) -> None:
        for failure in record.failures:
            self.stderr.write(f"{failure['file']}: {failure['error']}")
        self.stdout.write(
            f"{record.collection}: {record.done} of {record.total} read, {record.added} added, "
            f"{record.duplicates} duplicates, {len(record.failures)} not readable"
        )
