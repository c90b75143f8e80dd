"""Backups of the control plane: one file with the store, the keys and the configuration, and the way back from it.

A backup is a tar file (``archive``), encrypted where a passphrase is given (``envelope``). Guests and their disks are
not in it. Whoever has an unencrypted one has every secret of the cloud.
"""
