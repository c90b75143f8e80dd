"""What is wrong with a request, or stands in its way."""

from __future__ import annotations

from zcloud.domain.errors.base import Kind, Refused


class InvalidInput(Refused):
    """A value is of the wrong form, out of bounds, or contradicts another one."""

    code = "invalid_input"
    kind = Kind.INVALID


class PayloadTooLarge(Refused):
    """The request's body is larger than allowed."""

    code = "payload_too_large"
    kind = Kind.TOO_LARGE


class InvalidXml(Refused):
    """XML that is malformed, hostile, or not of the form libvirt documents."""

    code = "invalid_xml"
    kind = Kind.INVALID


class InvalidCloudInit(Refused):
    """User data for cloud-init that is malformed or cannot be merged."""

    code = "invalid_cloud_init"
    kind = Kind.INVALID


class Unauthenticated(Refused):
    """No valid session or token came with the request."""

    code = "unauthenticated"
    kind = Kind.UNAUTHENTICATED
    default_hint = "Sign in with `zcloud login`, or send a valid API token."


class LoginFailed(Refused):
    """User name or password is wrong (which one is not said)."""

    code = "login_failed"
    kind = Kind.UNAUTHENTICATED


class SecondFactorNeeded(Refused):
    """The password is right, and the user has a second factor: its code is needed, too."""

    code = "second_factor_needed"
    kind = Kind.UNAUTHENTICATED
    default_hint = "Give the code that your device shows, or one of the recovery codes."


class LoginThrottled(Refused):
    """Too many failed logins for this name or from this address."""

    code = "login_throttled"
    kind = Kind.THROTTLED


class Throttled(Refused):
    """This is asked too often; ``details`` has ``retry_after_s``."""

    code = "throttled"
    kind = Kind.THROTTLED
    default_hint = "Wait a moment and ask again."


class Forbidden(Refused):
    """The role of this user or token does not allow this."""

    code = "forbidden"
    kind = Kind.FORBIDDEN


class NotFound(Refused):
    """No such thing, or none that this user may see."""

    code = "not_found"
    kind = Kind.MISSING


class AlreadyExists(Refused):
    """A thing of that name is there already."""

    code = "already_exists"
    kind = Kind.CONFLICT


class InUse(Refused):
    """Something else still needs the thing."""

    code = "in_use"
    kind = Kind.CONFLICT


class Protected(Refused):
    """The instance is protected against deletion."""

    code = "protected"
    kind = Kind.CONFLICT
    default_hint = "Remove the protection first: `zcloud instance unprotect NAME`."


class WrongState(Refused):
    """The thing is in a state in which this cannot be done."""

    code = "wrong_state"
    kind = Kind.CONFLICT


class InstanceAdopted(Refused):
    """The instance was adopted: its domain and disks are not zcloud's to change or remove."""

    code = "instance_adopted"
    kind = Kind.CONFLICT


class NotLive(Refused):
    """A running guest cannot follow the change; it can be recorded for the next start."""

    code = "not_live"
    kind = Kind.CONFLICT


class Busy(Refused):
    """Another operation works on the thing."""

    code = "busy"
    kind = Kind.CONFLICT
    default_hint = "Wait for the running operation, or cancel it where that is allowed."


class RevisionMismatch(Refused):
    """If-Match names an older revision: somebody changed the thing in between."""

    code = "revision_mismatch"
    kind = Kind.PRECONDITION
    default_hint = "Read the thing again, look at what changed, and repeat."


class IdempotencyInFlight(Refused):
    """A request with the same Idempotency-Key is being answered right now."""

    code = "idempotency_in_flight"
    kind = Kind.CONFLICT


class IdempotencyMismatch(Refused):
    """The Idempotency-Key was used before with another payload."""

    code = "idempotency_mismatch"
    kind = Kind.MISMATCH
    default_hint = "Use a fresh key for a different request."


class NoRoom(Refused):
    """No host can take the instance; ``details`` has the reason per host and the nearest fit."""

    code = "no_room"
    kind = Kind.CONFLICT


class QuotaExceeded(Refused):
    """The project's quota does not allow it."""

    code = "quota_exceeded"
    kind = Kind.CONFLICT


class PoolFull(Refused):
    """The storage pool has no room for the volume."""

    code = "pool_full"
    kind = Kind.CONFLICT


class NoAddress(Refused):
    """The network has no free address, or the chosen one is taken or outside its ranges."""

    code = "no_address"
    kind = Kind.CONFLICT


class NoPlace(Refused):
    """A running guest has no PCI place left for another device."""

    code = "no_place"
    kind = Kind.CONFLICT
    default_hint = (
        "Detach a device that is not needed, attach disks by SCSI (`--bus scsi`: all of them share one place), "
        "or stop the instance: what is attached then gets new places."
    )


class DiskMounted(Refused):
    """The guest has file systems of the disk mounted, so it is not taken away."""

    code = "disk_mounted"
    kind = Kind.CONFLICT
    default_hint = "Unmount it in the guest first, or repeat with `--force`: what was not written yet is lost then."


class DiskUnchecked(Refused):
    """The guest's agent could not tell whether the disk is mounted, so it is not taken away."""

    code = "disk_unchecked"
    kind = Kind.CONFLICT
    default_hint = "Unmount it in the guest, and repeat with `--force`; with an agent in the guest zcloud looks itself."
