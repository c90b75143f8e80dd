"""zcloud's own certificate authority: made once, and a server certificate from it.

RSA, because libvirt 9 refuses ECDSA certificates and hosts will get theirs from the same authority.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_BITS = 3072
_CA_LIFE, _SERVER_LIFE = timedelta(days=3650), timedelta(days=825)
RENEW_BEFORE = timedelta(days=60)


def ensure_authority(directory: Path, now: datetime) -> Path:
    """Make the authority's key and certificate where there are none; gives the certificate's path."""
    certificate, key_file = directory / "ca.pem", directory / "ca.key"
    if certificate.exists() and key_file.exists():
        return certificate
    directory.mkdir(parents=True, exist_ok=True, mode=0o755)
    key = rsa.generate_private_key(65537, _BITS)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "zcloud authority")])
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    signed = (
        _builder(name, name, key.public_key(), now, _CA_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    _write(key_file, _private(key), 0o600)
    _write(certificate, signed.public_bytes(serialization.Encoding.PEM), 0o644)
    return certificate


def ends(directory: Path) -> dict[str, datetime]:
    """Give when the authority's and the server's certificate end, where they are there."""
    return {name: each.not_valid_after_utc for name, each in _there(directory).items()}


def fingerprints(directory: Path) -> dict[str, str]:
    """Give the SHA-256 fingerprints of the same certificates, as browsers show them."""
    return {name: each.fingerprint(hashes.SHA256()).hex(":").upper() for name, each in _there(directory).items()}


def _there(directory: Path) -> dict[str, x509.Certificate]:
    found = {"authority": directory / "ca.pem", "server": directory / "server.pem"}
    return {name: x509.load_pem_x509_certificate(path.read_bytes()) for name, path in found.items() if path.exists()}


def ensure_server(directory: Path, names: Sequence[str], now: datetime) -> tuple[Path, Path]:
    """Make a server certificate for ``names`` (DNS names and addresses), or a new one before the old ends.

    Gives the paths of certificate and key; the authority has to be in the same directory.
    """
    certificate, key_file = directory / "server.pem", directory / "server.key"
    if certificate.exists() and key_file.exists() and _still_fits(certificate, names, now):
        return certificate, key_file
    authority = x509.load_pem_x509_certificate((directory / "ca.pem").read_bytes())
    signer = serialization.load_pem_private_key((directory / "ca.key").read_bytes(), None)
    if not isinstance(signer, rsa.RSAPrivateKey):
        raise TypeError("the authority's key is not RSA")
    key = rsa.generate_private_key(65537, _BITS)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    signed = (
        _builder(subject, authority.subject, key.public_key(), now, _SERVER_LIFE)
        .add_extension(x509.SubjectAlternativeName([_alternative(name) for name in names]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(signer, hashes.SHA256())
    )
    _write(key_file, _private(key), 0o600)
    _write(certificate, signed.public_bytes(serialization.Encoding.PEM), 0o644)
    return certificate, key_file


def _builder(
    subject: x509.Name, issuer: x509.Name, key: rsa.RSAPublicKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _still_fits(certificate: Path, names: Sequence[str], now: datetime) -> bool:
    known = x509.load_pem_x509_certificate(certificate.read_bytes())
    alternatives = known.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return (
        list(alternatives) == [_alternative(name) for name in names] and known.not_valid_after_utc > now + RENEW_BEFORE
    )


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _private(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, data: bytes, mode: int) -> None:
    """Write whole or not at all, never readable by others in between."""
    part = path.with_suffix(path.suffix + ".part")
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(fd)
    part.replace(path)
