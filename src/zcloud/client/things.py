"""What every noun of the API has, and what machines and their parts have besides."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from zcloud.client.changes import Change
from zcloud.client.http import Http, route

if TYPE_CHECKING:
    from typing import Unpack

    from zcloud.client.types import (
        Flavor,
        FlavorCreate,
        Group,
        GroupCreate,
        GroupPlace,
        Host,
        HostChange,
        HostCreate,
        Network,
        NetworkChange,
        NetworkCreate,
        NetworkDetail,
        Pool,
        PoolChange,
        PoolCreate,
        Volume,
    )

T = TypeVar("T")


class Things(Generic[T]):
    """One noun. A thing is named by its id or its name."""

    def __init__(self, http: Http, noun: str, query: dict[str, str] | None = None) -> None:
        self._http, self._noun = http, noun
        self._query = query or {}  # what goes with every question: the project, where names belong to one

    def list(self, **query: Any) -> Iterator[T]:
        """Give all of them, page by page as they are taken; ``query`` narrows it (docs/reference/rest.md)."""
        found = self._http.pages(route(self._noun), **{**self._query, **query})
        return cast("Iterator[T]", found)

    def show(self, ref: str) -> T:
        """Give one; raises ApiError ``not_found``."""
        return cast("T", self._http.get(self._at(ref), **self._query))

    def act(self, ref: str, verb: str, **body: Any) -> Change[T]:
        """Ask for any verb of a thing that begins an operation: ``POST /v1/NOUN/REF/VERB``."""
        return self._begin(self._at(ref, verb), body)

    def _at(self, ref: str, *more: str) -> str:
        return route(self._noun, ref, *more)

    def _begin(self, path: str, body: Any = None) -> Change[T]:
        return Change(self._http, self._http.post(path, body, **self._query))

    def _create(self, body: Any) -> Change[T]:
        return Change(self._http, self._http.post(route(self._noun), body))

    def _change(self, ref: str, body: Any, revision: int | None) -> T:
        return cast("T", self._http.patch(self._at(ref), body, revision=revision, **self._query))

    def _delete(self, ref: str, **query: Any) -> Change[T]:
        return Change(self._http, self._http.delete(self._at(ref), **{**self._query, **query}))


class Hosts(Things["Host"]):
    """Machines that run instances."""

    def add(self, **spec: Unpack[HostCreate]) -> Change[Host]:
        """Add a machine; one by SSH shows its key first (``approve``)."""
        return self._create(spec)

    def approve(self, ref: str, fingerprint: str) -> Change[Host]:
        """Pin the SSH key with that fingerprint, and take the host in."""
        return self.act(ref, "approve", fingerprint=fingerprint)

    def refresh(self, ref: str) -> Change[Host]:
        """Read the inventory again and repeat the KVM probe."""
        return self.act(ref, "refresh")

    def change(self, ref: str, *, revision: int | None = None, **changes: Unpack[HostChange]) -> Host:
        """Change fields; with ``revision`` only if nobody changed the host since (ApiError ``revision_mismatch``)."""
        return self._change(ref, changes, revision)

    def remove(self, ref: str) -> Change[Host]:
        """Forget a host that has no instances."""
        return self._delete(ref)


class Pools(Things["Pool"]):
    """Storage on hosts."""

    def create(self, **spec: Unpack[PoolCreate]) -> Change[Pool]:
        """Make a pool."""
        return self._create(spec)

    def change(self, ref: str, *, revision: int | None = None, **changes: Unpack[PoolChange]) -> Pool:
        """Change fields."""
        return self._change(ref, changes, revision)

    def delete(self, ref: str) -> Change[Pool]:
        """Delete an empty pool."""
        return self._delete(ref)


class Volumes(Things["Volume"]):
    """Disks."""

    def delete(self, id: str) -> Change[Volume]:
        """Delete a volume that no instance has."""
        return self._delete(id)


class Groups(Things["Group"]):
    """Instances that are started in an order."""

    def create(self, **spec: Unpack[GroupCreate]) -> Group:
        """Make an empty group."""
        return cast("Group", self._http.post(route(self._noun), spec))

    def put(self, ref: str, instance: str, **place: Unpack[GroupPlace]) -> Group:
        """Give an instance its place in a group."""
        return cast("Group", self._http.put(self._at(ref, "members", instance), place, **self._query))

    def take_out(self, ref: str, instance: str) -> Group:
        """Take an instance out of a group."""
        return cast("Group", self._http.delete(self._at(ref, "members", instance), **self._query))

    def delete(self, ref: str) -> None:
        """Remove a group; its instances stay."""
        self._http.delete(self._at(ref), **self._query)


class Networks(Things["Network"]):
    """Networks and their addresses."""

    def detail(self, ref: str) -> NetworkDetail:
        """Give a network with its ports."""
        return cast("NetworkDetail", self.show(ref))

    def create(self, **spec: Unpack[NetworkCreate]) -> Change[Network]:
        """Make a network."""
        return self._create(spec)

    def change(self, ref: str, *, revision: int | None = None, **changes: Unpack[NetworkChange]) -> Network:
        """Change fields."""
        return self._change(ref, changes, revision)

    def delete(self, ref: str) -> Change[Network]:
        """Delete a network without ports."""
        return self._delete(ref)

    def records(self, ref: str, form: str = "hosts") -> str:
        """Give names and addresses as a text: ``hosts``, ``zone`` or what else the server knows."""
        return self._http.text(self._at(ref, "records"), form=form)


class Flavors(Things["Flavor"]):
    """Named sizes."""

    def create(self, **spec: Unpack[FlavorCreate]) -> Flavor:
        """Add a size."""
        return cast("Flavor", self._http.post(route(self._noun), spec))

    def delete(self, ref: str) -> None:
        """Remove a size; instances keep what they have."""
        self._http.delete(self._at(ref))
