"""The composition: a configuration becomes a running server. No logic lives here."""
