"""The site's settings as the tests need them: fast passwords, static files as they lie, throttles out of the way."""

from config.settings import *  # noqa: F403 – everything else is as people run it
from config.settings import REST_FRAMEWORK, STORAGES

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = STORAGES | {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
WHITENOISE_AUTOREFRESH = True
REST_FRAMEWORK = REST_FRAMEWORK | {"DEFAULT_THROTTLE_RATES": {"anonymous": "1000000/min", "account": "1000000/min"}}
