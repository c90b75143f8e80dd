"""Placement: which host takes an instance, and why the others do not. Pure."""

from zcloud.scheduler.model import Candidate, Demand, HostView, Placement, Refusal
from zcloud.scheduler.place import place

__all__ = ["Candidate", "Demand", "HostView", "Placement", "Refusal", "place"]
