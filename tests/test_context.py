"""The content hash and the archive that is sent: what counts, and what does not."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautilus_cli.errors import BuildFailed, ConfigError
from nautilus_cli.runtimes.context import CA_FILE, EPOCH, Recipe, memory_recipe, read_recipe

BASES = {"base": "sha256:1"}
NAMES = st.text(alphabet="abcé-_.", min_size=1, max_size=8).filter(lambda name: name.strip("."))
FILES = st.dictionaries(NAMES.map("d/{}".format), st.binary(max_size=50), max_size=5)

WORDS = st.dictionaries(st.text(max_size=5), st.text(max_size=5))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in {"Dockerfile": "FROM base\n", "base/a.py": "a", "risk/b.py": "b", "factor/c.py": "c"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def read(folder: Path, *inputs: str, **changes: str) -> Recipe:
    args = {k: v for k, v in changes.items() if k not in ("target", "dockerfile")}
    script = changes.get("dockerfile", "Dockerfile")
    return read_recipe("risk", folder, script, inputs or ("base", "risk"), args, changes.get("target"))


def content(folder: Path, *inputs: str, **changes: str) -> str:
    return read(folder, *inputs, **changes).pack(BASES)


def members(recipe: Recipe, ca: bytes | None = None) -> list[tarfile.TarInfo]:
    sink = io.BytesIO()
    recipe.pack(BASES, sink, ca)
    sink.seek(0)
    with tarfile.open(fileobj=sink) as archive:
        return archive.getmembers()


def test_only_the_dockerfile_and_the_inputs_are_sent_in_order_and_without_time_or_owner(folder: Path) -> None:
    sent = members(read(folder, "risk/", "./base"))
    assert [m.name for m in sent] == ["base", "risk", "Dockerfile", "base/a.py", "risk/b.py"]
    assert {(m.mtime, m.uid, m.gid, m.uname) for m in sent} == {(EPOCH, 0, 0, "")}


@given(FILES, FILES)
def test_contexts_share_a_hash_only_with_the_same_files(one: dict[str, bytes], two: dict[str, bytes]) -> None:
    def packed(files: dict[str, bytes]) -> tuple[str, bytes]:
        sink = io.BytesIO()
        return memory_recipe("gateway", {"Dockerfile": b"FROM base", **files}, {}).pack(BASES, sink), sink.getvalue()

    backwards = dict(reversed(one.items()))
    assert packed(one) == packed(backwards)
    assert (packed(one)[0] == packed(two)[0]) == (one == two)


@given(
    st.dictionaries(st.text(max_size=5), st.text(max_size=5)), st.dictionaries(st.text(max_size=5), st.text(max_size=5))
)
def test_arguments_and_bases_count(one: dict[str, str], two: dict[str, str]) -> None:
    files = {"Dockerfile": b"FROM base"}
    args = [memory_recipe("g", files, values).pack({}) for values in (one, two)]
    bases = [memory_recipe("g", files, {}).pack(values) for values in (one, two)]
    assert (args[0] == args[1]) == (bases[0] == bases[1]) == (one == two)


@given(st.binary(max_size=2000))
def test_the_bundle_is_sent_but_does_not_count(ca: bytes) -> None:
    recipe = memory_recipe("g", {"Dockerfile": b"FROM base", "x": b"1"}, {})
    assert recipe.pack(BASES, io.BytesIO(), ca) == recipe.pack(BASES)
    assert [m.size for m in members(recipe, ca) if m.name == CA_FILE] == [len(ca)]


def test_only_a_dockerfile_that_asks_for_the_bundle_gets_it(folder: Path) -> None:
    assert not read(folder).takes_ca
    (folder / "Dockerfile").write_text("FROM base\nCOPY Dockerfile .nautilu[s]/ca.crt* /tmp/ca/\n")
    assert read(folder).takes_ca


def test_a_file_on_disk_and_in_memory_have_the_same_hash(folder: Path) -> None:
    files = {name: (folder / name).read_bytes() for name in ("Dockerfile", "base/a.py", "risk/b.py")}
    assert memory_recipe("risk", files, {}).pack(BASES) == content(folder)


def test_times_and_caches_of_python_do_not_count(folder: Path) -> None:
    before = content(folder)
    os.utime(folder / "risk/b.py", (1, 1))
    (folder / "risk/__pycache__").mkdir()
    (folder / "risk/__pycache__/b.cpython-313.pyc").write_bytes(b"x")
    (folder / "risk/old.pyc").write_bytes(b"x")
    (folder / ".dockerignore").write_text("!**/*.pyc\n")
    assert content(folder) == before


def test_the_executable_bit_counts_and_the_other_modes_do_not(folder: Path) -> None:
    before = content(folder)
    (folder / "risk/b.py").chmod(0o600)
    assert content(folder) == before
    (folder / "risk/b.py").chmod(0o755)
    assert content(folder) != before


@pytest.mark.parametrize("name", ["Dockerfile", "base/a.py", "risk/b.py"])
def test_an_edit_of_an_input_counts(folder: Path, name: str) -> None:
    before = content(folder)
    (folder / name).write_text("FROM base\nRUN other\n")
    assert content(folder) != before


def test_an_edit_of_another_engine_does_not_count(folder: Path) -> None:
    before = content(folder)
    (folder / "factor/c.py").write_text("other")
    assert content(folder) == before


def test_target_and_arguments_count(folder: Path) -> None:
    assert len({content(folder), content(folder, target="x"), content(folder, A="1"), content(folder, A="2")}) == 4


def test_dockerignore_is_honoured(folder: Path) -> None:
    before = content(folder)
    (folder / "risk/notes").mkdir()
    (folder / "risk/notes/x.md").write_text("x")
    (folder / "risk/keep.md").write_text("x")
    (folder / ".dockerignore").write_text("# text\n\n**/*.md\n!risk/keep.md\nDockerfile\n")
    assert "risk/keep.md" in [m.name for m in members(read(folder))]
    (folder / "risk/keep.md").unlink()
    assert content(folder) == before


def test_links_stay_links_and_their_target_counts(folder: Path) -> None:
    (folder / "risk/link").symlink_to("b.py")
    (folder / "risk/away").symlink_to("/etc")
    first = content(folder)
    assert {m.name: m.linkname for m in members(read(folder)) if m.issym()} == {
        "risk/link": "b.py",
        "risk/away": "/etc",
    }
    (folder / "risk/link").unlink()
    (folder / "risk/link").symlink_to("a.py")
    assert content(folder) != first


def test_a_pipe_is_left_out(folder: Path) -> None:
    before = content(folder)
    os.mkfifo(folder / "risk/pipe")
    assert content(folder) == before


@pytest.mark.parametrize("given_input", ["../secret", "/etc/passwd", "risk/../../secret", "out/passwd"])
def test_an_input_outside_the_context_is_refused_by_name(folder: Path, given_input: str) -> None:
    (folder / "out").symlink_to("/etc")
    with pytest.raises(ConfigError, match=f"risk: the build input '{given_input}' is outside"):
        read(folder, given_input)


def test_a_dockerfile_outside_the_context_is_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match="outside"):
        read(folder, dockerfile="../Dockerfile")


def test_what_is_not_there_is_named(folder: Path) -> None:
    with pytest.raises(ConfigError, match="there is no 'riks'"):
        read(folder, "riks")
    with pytest.raises(ConfigError, match="there is no 'Dockerfile2'"):
        read(folder, dockerfile="Dockerfile2")


def test_a_dockerfile_that_is_no_text_fails_the_build(folder: Path) -> None:
    (folder / "Dockerfile").write_bytes(b"\xff\xfe")
    with pytest.raises(BuildFailed, match="cannot be read"):
        read(folder)


def test_a_file_that_is_gone_when_it_is_packed_fails_the_build(folder: Path) -> None:
    recipe = read(folder)
    (folder / "risk/b.py").unlink()
    with pytest.raises(BuildFailed, match="risk: the build context cannot be packed"):
        recipe.pack(BASES)
