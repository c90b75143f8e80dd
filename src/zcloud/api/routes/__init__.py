"""One module per group of nouns; each gives its ``router``."""

from zcloud.api.routes import (
    hosts,
    images,
    instances,
    lifecycle,
    log,
    maintenance,
    networks,
    nics,
    people,
    projects,
    screens,
    service,
    sizes,
    storage,
    trash,
    volumes,
)

ROUTERS = (
    service.router,
    people.router,
    projects.router,
    hosts.router,
    storage.router,
    volumes.router,
    nics.router,
    networks.router,
    images.router,
    instances.router,
    sizes.router,
    lifecycle.router,
    screens.router,
    trash.router,
    log.router,
    maintenance.router,
)
