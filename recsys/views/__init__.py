"""The REST API of listening, one module per resource. Before: serializers.py. After: api_urls.py."""
