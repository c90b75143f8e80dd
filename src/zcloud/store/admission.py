"""Claims: compare and swap over the generations of all providers that a placement touches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, delete, func, select, update

from zcloud.domain.claims import Claim, ProviderKind, ProviderRef, ProviderView
from zcloud.domain.errors import NoRoom, PoolFull
from zcloud.domain.people import Usage
from zcloud.store import schema
from zcloud.store.errors import GenerationMoved
from zcloud.store.repository import Repository

_P, _C = schema.providers.c, schema.claims.c
_CLAIM_KEY = ("provider_kind", "provider_id", "consumer_id", "resource")


def _sum(column: Any) -> Any:
    return func.coalesce(func.sum(column), 0)


_USED = (
    select(_C.provider_id, _C.resource, func.sum(_C.amount).label("amount"))
    .where(_C.provider_kind == bindparam("kind"))
    .group_by(_C.provider_id, _C.resource)
    .subquery()
)
_VIEWS = (
    select(_P.id, _P.generation, _P.capacity, _USED.c.resource, _USED.c.amount)
    .outerjoin_from(schema.providers, _USED, _USED.c.provider_id == _P.id)
    .where(_P.kind == bindparam("kind"))
    .order_by(_P.id)
)
_SWAP = (
    update(schema.providers)
    .where(_P.kind == bindparam("the_kind"), _P.id == bindparam("the_id"), _P.generation == bindparam("before"))
    .returning(_P.capacity)
)
_SUMS = (
    select(_C.resource, func.sum(_C.amount))
    .where(_C.provider_kind == bindparam("kind"), _C.provider_id == bindparam("id"))
    .group_by(_C.resource)
)
_I, _V = schema.instances.c, schema.volumes.c
_SIZES = select(func.count(), _sum(_I.vcpus), _sum(_I.memory_mib)).where(_I.project_id == bindparam("project_id"))
_VOLUME_SIZE = select(_sum(_V.size)).where(_V.project_id == bindparam("project_id"))


class Claims(Repository):
    """Who holds how much of what."""

    def set_capacity(self, ref: ProviderRef, capacity: Mapping[str, int]) -> None:
        """Record what can be claimed of a provider; an observation, so its generation stays."""
        row = {"kind": ref.kind.value, "id": ref.id, "generation": 0, "capacity": dict(capacity)}
        statement = self._scope.insert(schema.providers).values(row)
        changed = {"capacity": dict(capacity)}
        self._db.execute(statement.on_conflict_do_update(index_elements=["kind", "id"], set_=changed))

    def remove_provider(self, ref: ProviderRef) -> None:
        """Forget a provider and what was claimed of it."""
        self._db.execute(delete(schema.claims).where(*_claimed_from(ref)))
        self._db.execute(delete(schema.providers).where(_P.kind == ref.kind.value, _P.id == ref.id))

    def views(self, kind: ProviderKind) -> list[ProviderView]:
        """Give all providers of a kind, with what is used of them, in one query."""
        rows = self._db.execute(_VIEWS, {"kind": kind.value})
        providers: dict[str, tuple[int, dict[str, int], dict[str, int]]] = {}
        for id, generation, capacity, resource, amount in rows:
            entry = providers.setdefault(id, (generation, capacity, {}))
            if resource is not None:
                entry[2][resource] = int(amount)
        return [ProviderView(ProviderRef(kind, id), *entry) for id, entry in providers.items()]

    def note(self, claims: Sequence[Claim]) -> None:
        """Claim what is taken already, whether there is room or not; each provider's generation moves."""
        views = {view.ref: view.generation for kind in ProviderKind for view in self.views(kind)}
        touched = {claim.provider for claim in claims}
        self._take({ref: views[ref] for ref in touched}, claims)

    def claim(self, expected: Mapping[ProviderRef, int], claims: Sequence[Claim]) -> None:
        """Take all of ``claims``, if every provider still is at the generation that the placement saw.

        A consumer's claim of the same resource is replaced. ``expected`` names every provider claimed from.
        Raises GenerationMoved (``Store.retry`` repeats), NoRoom or PoolFull (the capacity shrank meanwhile).
        """
        missing = {claim.provider for claim in claims} - expected.keys()
        if missing:
            raise ValueError(f"no generation is given for {missing}")
        for ref, capacity in self._take(expected, claims).items():
            self._check(ref, capacity, {claim.resource for claim in claims if claim.provider == ref})

    def release(self, consumer_id: str, kind: ProviderKind | None = None) -> None:
        """Give back what a consumer holds (of one kind of provider); generations stay, for room only grows."""
        where = [_C.consumer_id == consumer_id]
        if kind is not None:
            where.append(_C.provider_kind == kind.value)
        self._db.execute(delete(schema.claims).where(*where))

    def give_up(self, consumer_id: str, kept: ProviderRef) -> None:
        """Give back what a consumer holds of every provider of a kind but one."""
        mine = [_C.consumer_id == consumer_id, _C.provider_kind == kept.kind.value, _C.provider_id != kept.id]
        self._db.execute(delete(schema.claims).where(*mine))

    def lower(self, claims: Sequence[Claim]) -> None:
        """Give back what consumers hold above these amounts; nothing is claimed, so generations stay."""
        for claim in claims:
            mine = [_C.consumer_id == claim.consumer_id, _C.resource == claim.resource, _C.amount > claim.amount]
            self._db.execute(
                update(schema.claims).where(*_claimed_from(claim.provider), *mine).values(amount=claim.amount)
            )

    def held_by(self, consumer_id: str) -> list[Claim]:
        """Give what a consumer holds."""
        mine = select(schema.claims).where(_C.consumer_id == consumer_id)
        rows = self._db.execute(mine.order_by(_C.provider_kind, _C.provider_id, _C.resource)).mappings()
        return [
            Claim(
                ProviderRef(ProviderKind(row["provider_kind"]), row["provider_id"]),
                row["consumer_id"], row["resource"], row["amount"],
            )
            for row in rows
        ]  # fmt: skip

    def used_of_pools(self) -> dict[str, int]:
        """Give the bytes that volumes hold of each pool; a pool without any is left out."""
        of_pools = select(_C.provider_id, func.sum(_C.amount)).where(_C.provider_kind == ProviderKind.POOL.value)
        return {id: int(amount) for id, amount in self._db.execute(of_pools.group_by(_C.provider_id))}

    def totals_by_project(self, project_id: str) -> Usage:
        """Give what a project takes of its quota.

        In a write transaction the project is held until the commit, so that no two pass the same quota at once.
        """
        self._scope.hold(schema.projects, project_id)
        count, vcpus, memory = self._db.execute(_SIZES, {"project_id": project_id}).one()
        size = self._db.execute(_VOLUME_SIZE, {"project_id": project_id}).scalar_one()
        return Usage(int(count), int(vcpus), int(memory), int(size))

    def _take(self, expected: Mapping[ProviderRef, int], claims: Sequence[Claim]) -> dict[ProviderRef, dict[str, int]]:
        """Move the generations and write the claims; gives the capacities."""
        # In one order for all, so that two placements never wait for each other.
        capacities = {ref: self._swap(ref, expected[ref]) for ref in sorted(expected)}
        if claims:
            replacing = self._scope.upsert(schema.claims, _CLAIM_KEY, ("amount",))
            self._db.execute(replacing, [_row(claim) for claim in claims])
        return capacities

    def _swap(self, ref: ProviderRef, generation: int) -> dict[str, int]:
        same = {"the_kind": ref.kind.value, "the_id": ref.id, "before": generation}
        row = self._db.execute(_SWAP, {**same, "generation": generation + 1}).one_or_none()
        if row is None:
            raise GenerationMoved(f"{ref.kind} {ref.id} is no longer at generation {generation}")
        return dict(row[0])

    def _check(self, ref: ProviderRef, capacity: Mapping[str, int], resources: set[str]) -> None:
        for resource, used in self._db.execute(_SUMS, {"kind": ref.kind.value, "id": ref.id}):
            room = capacity.get(resource, 0)
            if resource in resources and used > room:
                error = PoolFull if ref.kind is ProviderKind.POOL else NoRoom
                message = f"The {ref.kind} {ref.id} has {room} {resource} in all, and {int(used)} would be claimed."
                raise error(message, provider=ref.id, resource=resource)


def _claimed_from(ref: ProviderRef) -> list[Any]:
    return [_C.provider_kind == ref.kind.value, _C.provider_id == ref.id]


def _row(claim: Claim) -> dict[str, Any]:
    return {
        "provider_kind": claim.provider.kind.value,
        "provider_id": claim.provider.id,
        "consumer_id": claim.consumer_id,
        "resource": claim.resource,
        "amount": claim.amount,
    }
