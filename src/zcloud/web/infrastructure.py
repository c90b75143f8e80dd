"""What instances are made of and on: hosts, pools, images and networks."""

from __future__ import annotations

from zcloud.web import host_disks, hosts, images, networks, pools, volumes

ROUTES = (*hosts.ROUTES, *host_disks.ROUTES, *pools.ROUTES, *volumes.ROUTES, *images.ROUTES, *networks.ROUTES)
