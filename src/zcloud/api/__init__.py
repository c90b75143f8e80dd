"""The REST API: parses, calls a service, converts. Nothing is decided here but who may knock."""
