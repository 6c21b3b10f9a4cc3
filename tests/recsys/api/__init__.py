"""The REST API of listening, one module per endpoint."""
