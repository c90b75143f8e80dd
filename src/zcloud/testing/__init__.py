"""Fakes, fault injection and throw-away backends, for our tests and for those of driver authors."""
