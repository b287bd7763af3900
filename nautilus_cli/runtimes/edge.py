"""The gateway of one fleet during one command, as a container: its image and its network."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from docker.api.client import APIClient

from nautilus_cli.errors import RuntimeUnavailable
from nautilus_cli.events import Emit
from nautilus_cli.fleet import Fleet
from nautilus_cli.gateways.base import Route
from nautilus_cli.gateways.haproxy import HAProxy, recipe
from nautilus_cli.runtimes.front import GATEWAY, Front, listens
from nautilus_cli.runtimes.images import Images
from nautilus_cli.runtimes.network import FleetNetwork, missing
from nautilus_cli.snapshot import Image, Traffic


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look at a gateway has brought."""

    kept: Mapping[str, bytes]  # what its volume holds, the fleet's state too, by path
    routes: tuple[Route, ...]
    traffic: Mapping[str, Traffic]


class Edge(Front[HAProxy]):
    """A gateway in a container, in the network of its fleet."""

    def __init__(self, api: APIClient, images: Images, network: FleetNetwork) -> None:
        super().__init__()
        self._api = api
        self._images = images
        self._network = network
        self._making = threading.Lock()
        self._proxy: HAProxy | None = None
        self._image: Image | None = None

    def close(self) -> None:
        """End what is open to the gateway; it goes on."""
        super().close()
        if self._proxy:
            self._proxy.close()

    def image(self, fleet: Fleet) -> Image:
        """The image that the gateway should run; helpers and the lock run it too."""
        if self._image is None or self._image.id is None:
            self._image = self._images.wanted_recipe(GATEWAY, recipe(), args(fleet))
        return self._image

    def build(self, fleet: Fleet, emit: Emit) -> None:
        """Its image is present afterwards."""
        self._images.ensure_recipe(GATEWAY, recipe(), args(fleet), emit)
        self._image = self._proxy = None  # its image may be another one now

    def pull(self, fleet: Fleet, emit: Emit) -> tuple[str, ...]:
        """Fetch anew what its image is built on."""
        return self._images.pull_recipe(GATEWAY, recipe(), args(fleet), emit)

    def proxy(self, fleet: Fleet) -> HAProxy:
        """One object a command: it knows which worker an open line speaks with."""
        with self._making:
            if self._proxy is None:
                found, image = self._network.find(), self.image(fleet).reference
                proxy = HAProxy(self._api, fleet.name, fleet.gateway, image, found or missing(fleet.name))
                if found is None:
                    return proxy
                self._proxy = proxy
            return self._proxy

    def prepare(self, fleet: Fleet) -> None:  # noqa: ARG002 (there is one network)
        """The gateway stands in the fleet's network."""
        self._network.ensure()

    def look(self, fleet: Fleet) -> Seen:
        """What the gateway and its volume say now. A line that is opened for it brings both: each takes as long."""
        proxy, kept = self.proxy(fleet), None
        try:
            with self._once:
                if self._session is None and self._coming is None:
                    self._session, kept = proxy.open()
        except RuntimeUnavailable:
            return Seen(proxy.kept(), (), {})
        return Seen(proxy.kept() if kept is None else kept, self.routes(fleet), self.traffic(fleet))

    def pending(self, fleet: Fleet, kept: Callable[[], Mapping[str, bytes]]) -> str | None:
        """Why the gateway has to change, in words."""
        return self.proxy(fleet).pending(listens(fleet), kept)


def args(fleet: Fleet) -> dict[str, str]:
    """The build arguments of the gateway's image."""
    return {"BASE_IMAGE": fleet.gateway.base_image}
