"""What instances are made of and on: hosts, pools, images and networks."""

from __future__ import annotations

from zcloud.web import hosts, images, networks, pools

ROUTES = (*hosts.ROUTES, *pools.ROUTES, *images.ROUTES, *networks.ROUTES)
