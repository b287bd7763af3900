"""Small text files in a container's volume, through the archive API: remote too, and while the container is stopped."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import PurePosixPath

from docker import APIClient
from docker.errors import NotFound

from nautilus_cli.gateways.refusal import told


def write(api: APIClient, container: str, directory: str, files: Mapping[str, str | None], owner: int) -> None:
    """Put these files into the directory; a name without text is a directory. Not atomic: rename what must be.

    `RolloutFailed` where Docker refuses: its disk may be full.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.uid = entry.gid = owner
            entry.type, entry.mode = (tarfile.DIRTYPE, 0o755) if text is None else (tarfile.REGTYPE, 0o644)
            data = (text or "").encode()
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    with told(container):
        api.put_archive(container, directory, buffer.getvalue())


def read(api: APIClient, container: str, path: str) -> str | None:
    """The text of one file; None where there is none."""
    found = read_all(api, container, path)
    return found[path].decode() if path in found else None


def read_all(api: APIClient, container: str, path: str) -> dict[str, bytes]:
    """The content of a file, or of each file of a directory, by path; nothing where there is none."""
    try:
        chunks, _ = api.get_archive(container, path)
    except NotFound:
        return {}
    return unpack(b"".join(chunks), PurePosixPath(path).parent)


def unpack(data: bytes, folder: PurePosixPath) -> dict[str, bytes]:
    """The content of each file of an archive, by the path that it has in this folder."""
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        found = ((member.name, tar.extractfile(member)) for member in tar if member.isfile())
        return {str(folder / name): content.read() for name, content in found if content}
