"""The web server's entry: pages and API. Loads no torch."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
# Before numpy is imported: a request's small products are slower when each of them wakes every core.
for _library in ("OPENBLAS", "OMP", "MKL"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

application = get_wsgi_application()
