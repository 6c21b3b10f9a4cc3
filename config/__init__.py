"""The site: environment, settings, system checks, urls, wsgi."""
