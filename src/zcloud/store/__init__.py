"""The store: every table, and all SQL."""

from zcloud.store.ending import end_operations
from zcloud.store.engines import sqlite_file
from zcloud.store.errors import GenerationMoved, SchemaMismatch, StoreUnreachable
from zcloud.store.events import EventFilter
from zcloud.store.foreign import ForeignFilter
from zcloud.store.groups import GroupFilter
from zcloud.store.holdings import Holdings, holdings
from zcloud.store.instances import GaugeRow, InstanceFilter, PowerRow
from zcloud.store.machines import NetworkFilter, PoolFilter
from zcloud.store.misc import OBSERVER_LEASE, StoredAnswer
from zcloud.store.operations import ENDED_TOPIC, OperationQuery, QueueFacts, Worker
from zcloud.store.pages import Page
from zcloud.store.people import OwnerFilter, ProjectFilter
from zcloud.store.sealing import Sealer
from zcloud.store.storage import ImageFilter, VolumeFilter
from zcloud.store.store import Store, Tx

__all__ = [
    "ENDED_TOPIC",
    "OBSERVER_LEASE",
    "EventFilter",
    "ForeignFilter",
    "GaugeRow",
    "GenerationMoved",
    "GroupFilter",
    "Holdings",
    "ImageFilter",
    "InstanceFilter",
    "NetworkFilter",
    "OperationQuery",
    "OwnerFilter",
    "Page",
    "PoolFilter",
    "PowerRow",
    "ProjectFilter",
    "QueueFacts",
    "SchemaMismatch",
    "Sealer",
    "Store",
    "StoreUnreachable",
    "StoredAnswer",
    "Tx",
    "VolumeFilter",
    "Worker",
    "end_operations",
    "holdings",
    "sqlite_file",
]
