import functools
import hashlib
import http.server
import json
import tarfile
import threading

import pytest

from neurograft.cohorts import fetch_msd_hippocampus, read_decathlon
from neurograft.errors import InputError


@pytest.fixture
def server(tmp_path):
    """A file server on loopback: gives its address, its folder and the paths asked of it."""
    folder = tmp_path / "served"
    folder.mkdir()
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            asked.append(self.path)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=folder)) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}", folder, asked
        running.shutdown()


@pytest.fixture
def archive(server, save, tmp_path):
    """A tiny tar in the layout of the public one, and its checksum."""
    _, folder, _ = server
    top = "Task04_Hippocampus"
    training = []
    for case in ("hippocampus_001", "hippocampus_002"):
        save(f"{top}/imagesTr/{case}.nii.gz")
        save(f"{top}/labelsTr/{case}.nii.gz", labels=(1, 2))
        training.append({"image": f"./imagesTr/{case}.nii.gz", "label": f"./labelsTr/{case}.nii.gz"})
    content = {"name": "Hippocampus", "modality": {"0": "MRI"}, "labels": {"1": "Anterior"}, "training": training}
    (tmp_path / top / "dataset.json").write_text(json.dumps(content))
    # The public archive was packed on a Mac and holds such files too.
    (tmp_path / top / "._dataset.json").write_bytes(b"\0\5\26\7")
    file = folder / "task.tar"
    with tarfile.open(file, "w") as tar:
        tar.add(tmp_path / top, arcname=top)
    return file, hashlib.md5(file.read_bytes()).hexdigest()


def test_the_download_is_verified_unpacked_and_not_repeated(server, archive, tmp_path):
    address, _, asked = server
    _, md5 = archive
    cache = tmp_path / "cache"
    folder = fetch_msd_hippocampus(cache, f"{address}/task.tar", md5)
    assert read_decathlon(folder).subjects == ("001",)
    assert [path.name for path in cache.iterdir()] == [folder.name]
    assert fetch_msd_hippocampus(cache, f"{address}/task.tar", md5) == folder
    assert len(asked) == 1


def test_the_cache_folder_is_the_default(server, archive, tmp_path, monkeypatch):
    monkeypatch.setenv("NEUROGRAFT_CACHE", str(tmp_path / "elsewhere"))
    folder = fetch_msd_hippocampus(url=f"{server[0]}/task.tar", md5=archive[1])
    assert folder.parent == tmp_path / "elsewhere"


def test_another_checksum_is_refused_and_nothing_is_kept(server, archive, tmp_path):
    with pytest.raises(InputError, match="does not have the checksum"):
        fetch_msd_hippocampus(tmp_path / "cache", f"{server[0]}/task.tar", "0" * 32)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_missing_file_and_a_dead_server_are_told(server, tmp_path):
    for url in (f"{server[0]}/none.tar", "http://127.0.0.1:9/task.tar"):
        with pytest.raises(InputError, match="the download failed"):
            fetch_msd_hippocampus(tmp_path / "cache", url, "0" * 32)


def serve_tar(folder, *members):
    file = folder / "other.tar"
    with tarfile.open(file, "w") as tar:
        for name in members:
            tar.addfile(tarfile.TarInfo(name))
    return hashlib.md5(file.read_bytes()).hexdigest()


def test_members_that_would_leave_the_folder_are_refused(server, tmp_path):
    md5 = serve_tar(server[1], "x/dataset.json", "../../escaped")
    with pytest.raises(InputError, match="cannot be unpacked"):
        fetch_msd_hippocampus(tmp_path / "cache", f"{server[0]}/other.tar", md5)
    assert not list(tmp_path.rglob("escaped"))


def test_archives_of_something_else_are_refused(server, tmp_path):
    md5 = serve_tar(server[1], "x/readme")
    with pytest.raises(InputError, match=r"no dataset\.json"):
        fetch_msd_hippocampus(tmp_path / "cache", f"{server[0]}/other.tar", md5)
    text = server[1] / "text.tar"
    text.write_text("no tar")
    with pytest.raises(InputError, match="cannot be unpacked"):
        fetch_msd_hippocampus(tmp_path / "cache", f"{server[0]}/text.tar", hashlib.md5(text.read_bytes()).hexdigest())
