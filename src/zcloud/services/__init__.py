"""What people can ask for: authorize, validate, admit, record. No request waits on a host here."""
