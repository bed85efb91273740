# A block that fails is what many of these tests are about.
# ruff: noqa: PT012
import json
import os
from pathlib import Path

import pytest

from neurograft.errors import InputError
from neurograft.outputs import MARKER, atomic_file, cache_folder, check_free, staged_directory, write_json, write_text


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def cut_off(final: Path, fingerprint: dict, overwrite: bool = False) -> Path:
    """Start an output and break off, as an interrupt does."""
    with pytest.raises(KeyboardInterrupt), staged_directory(final, fingerprint, overwrite) as folder:
        (folder / "half.txt").write_text("half")
        raise KeyboardInterrupt
    return folder


def finish(final: Path, fingerprint: dict, text: str, overwrite: bool = False) -> None:
    with staged_directory(final, fingerprint, overwrite) as folder:
        (folder / "result.txt").write_text(text)


def test_atomic_file_appears_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "image.nii.gz"
    with atomic_file(path) as temporary:
        assert temporary.parent == path.parent
        assert temporary.name.endswith("image.nii.gz")
        temporary.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert names(path.parent) == ["image.nii.gz"]


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt, OSError])
def test_atomic_file_leaves_nothing_on_failure(tmp_path: Path, failure: type[BaseException]) -> None:
    path = tmp_path / "a.txt"
    with pytest.raises(failure), atomic_file(path) as temporary:
        temporary.write_text("half")
        raise failure
    assert names(tmp_path) == []


def test_atomic_file_keeps_the_old_file_on_failure(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_file(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_atomic_file_with_nothing_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_file(tmp_path / "a.txt"):
        pass
    assert names(tmp_path) == []


def test_write_json_and_text(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"name": "Größe", "sizes": [1, 2]})
    text = (tmp_path / "a.json").read_text("utf-8")
    assert text.endswith("}\n")
    assert "Größe" in text
    assert json.loads(text) == {"name": "Größe", "sizes": [1, 2]}
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"path": object()})
    assert json.loads((tmp_path / "a.json").read_text("utf-8"))["sizes"] == [1, 2]
    write_text(tmp_path / "b.txt", "ü")
    assert (tmp_path / "b.txt").read_bytes() == "ü".encode()


def test_staged_directory_appears_whole_with_its_marker(tmp_path: Path) -> None:
    final = tmp_path / "deep" / "run"
    with staged_directory(final, {"seed": 1, "size": (1, 2)}) as folder:
        assert not final.exists()
        (folder / "result.txt").write_text("x")
    assert names(final) == [MARKER, "result.txt"]
    assert json.loads((final / MARKER).read_text()) == {
        "request": {"seed": 1, "size": [1, 2]},
        "files": ["result.txt"],
    }
    assert names(final.parent) == ["run"]


def test_cut_off_run_leaves_no_result_and_is_resumed(tmp_path: Path) -> None:
    final = tmp_path / "run"
    working = cut_off(final, {"seed": 1, "size": (1, 2)})
    assert not final.exists()
    with staged_directory(final, {"seed": 1, "size": (1, 2)}) as folder:
        assert folder == working
        assert (folder / "half.txt").read_text() == "half"
    assert names(tmp_path) == ["run"]


@pytest.mark.parametrize("made", [False, True])
def test_what_is_refused_leaves_only_what_was_made(tmp_path: Path, made: bool) -> None:
    final = tmp_path / "run"
    with pytest.raises(InputError), staged_directory(final, {"seed": 1}) as folder:
        (folder / "models").mkdir()
        if made:
            (folder / "models" / "half.txt").write_text("half")
        raise InputError("no scans", "Give some")
    assert folder.exists() == made
    finish(final, {"seed": 2 - made}, "done")
    assert (final / "models" / "half.txt").exists() == made


def test_resuming_clears_temporaries_of_a_killed_write_only(tmp_path: Path) -> None:
    final = tmp_path / "run"
    working = cut_off(final, {"seed": 1})
    (working / "model").mkdir()
    for leftover in (working / ".77.partial.resume.ckpt", working / "model" / ".77.partial.model.safetensors"):
        leftover.write_text("torn")
    kept = working / ".notes.partial.txt"
    kept.write_text("mine")
    (working / ".12.partial.folder").mkdir()
    finish(final, {"seed": 1}, "x")
    assert names(final) == [".12.partial.folder", MARKER, ".notes.partial.txt", "half.txt", "model", "result.txt"]
    assert names(final / "model") == []


def test_run_with_other_settings_is_not_resumed(tmp_path: Path) -> None:
    final = tmp_path / "run"
    working = cut_off(final, {"seed": 1, "recipe": "a"})
    with (
        pytest.raises(InputError, match=r"unfinished run with other settings.*different: seed\)"),
        staged_directory(final, {"seed": 2, "recipe": "a"}),
    ):
        pytest.fail("must not start")
    assert (working / "half.txt").exists()
    with staged_directory(final, {"seed": 2, "recipe": "a"}, overwrite=True) as folder:
        assert names(folder) == [MARKER]


def test_result_is_refused_unless_overwriting(tmp_path: Path) -> None:
    final = tmp_path / "run"
    finish(final, {"seed": 1}, "first")
    with pytest.raises(InputError, match="the output exists"):
        finish(final, {"seed": 1}, "second")
    assert (final / "result.txt").read_text() == "first"
    finish(final, {"seed": 2}, "second", overwrite=True)
    assert (final / "result.txt").read_text() == "second"
    assert names(tmp_path) == ["run"]


def test_failed_overwrite_keeps_the_old_result(tmp_path: Path) -> None:
    final = tmp_path / "run"
    finish(final, {"seed": 1}, "first")
    cut_off(final, {"seed": 2}, overwrite=True)
    assert (final / "result.txt").read_text() == "first"


@pytest.mark.parametrize("overwrite", [False, True])
def test_directory_without_our_marker_is_never_replaced(tmp_path: Path, overwrite: bool) -> None:
    final = tmp_path / "thesis"
    final.mkdir()
    (final / "chapter1.tex").write_text("years of work")
    with pytest.raises(InputError, match=r"did not make|output exists"):
        finish(final, {}, "x", overwrite)
    assert names(final) == ["chapter1.tex"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_working_directory_without_our_marker_is_never_deleted(tmp_path: Path, overwrite: bool) -> None:
    foreign = tmp_path / ".run.partial"
    foreign.mkdir()
    (foreign / "chapter1.tex").write_text("years of work")
    with pytest.raises(InputError, match="did not make"):
        finish(tmp_path / "run", {}, "x", overwrite)
    assert names(foreign) == ["chapter1.tex"]


def test_working_name_taken_by_a_file(tmp_path: Path) -> None:
    (tmp_path / ".run.partial").write_text("mine")
    with pytest.raises(InputError, match="did not make"):
        finish(tmp_path / "run", {}, "x", overwrite=True)
    assert (tmp_path / ".run.partial").read_text() == "mine"


def test_working_directory_killed_before_its_marker_is_used(tmp_path: Path) -> None:
    working = tmp_path / ".run.partial"
    working.mkdir()
    (working / f".77.partial.{MARKER}").write_text("{")
    finish(tmp_path / "run", {}, "x")
    assert names(tmp_path / "run") == [MARKER, "result.txt"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_files_that_appear_during_the_run_are_not_deleted(tmp_path: Path, overwrite: bool) -> None:
    final = tmp_path / "run"
    with pytest.raises(InputError), staged_directory(final, {"seed": 1}, overwrite) as folder:
        (folder / "result.txt").write_text("x")
        final.mkdir()
        (final / "chapter1.tex").write_text("years of work")
    assert names(final) == ["chapter1.tex"]
    (final / "chapter1.tex").unlink()
    with staged_directory(final, {"seed": 1}, overwrite) as folder:
        assert (folder / "result.txt").read_text() == "x"


def test_foreign_directory_under_the_discard_name_is_not_deleted(tmp_path: Path) -> None:
    final = tmp_path / "run"
    finish(final, {"seed": 1}, "first")
    foreign = tmp_path / ".run.discarded"
    foreign.mkdir()
    (foreign / "chapter1.tex").write_text("years of work")
    final.rename(tmp_path / "moved")
    finish(final, {"seed": 1}, "first")
    assert names(foreign) == ["chapter1.tex"]
    with pytest.raises(OSError):
        finish(final, {"seed": 2}, "second", overwrite=True)
    assert names(foreign) == ["chapter1.tex"]
    assert (final / "result.txt").read_text() == "first"


def test_empty_directory_may_be_used(tmp_path: Path) -> None:
    final = tmp_path / "run"
    final.mkdir()
    finish(final, {}, "x")
    assert names(final) == [MARKER, "result.txt"]
    assert names(tmp_path) == ["run"]


def test_link_to_a_directory_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "big-disk").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "big-disk")
    finish(tmp_path / "run", {"seed": 1}, "first")
    finish(tmp_path / "run", {"seed": 2}, "second", overwrite=True)
    assert (tmp_path / "run").is_symlink()
    assert (tmp_path / "big-disk" / "result.txt").read_text() == "second"
    assert names(tmp_path) == ["big-disk", "run"]


def test_output_that_is_a_file_or_inside_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="a file has this name"):
        check_free(tmp_path / "file", overwrite=True)
    with pytest.raises(InputError, match="cannot be made"):
        finish(tmp_path / "file" / "run", {}, "x")


def test_mount_point_is_refused_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "ismount", lambda path: Path(path) == tmp_path)
    with pytest.raises(InputError, match="mount point"):
        check_free(tmp_path)


def test_relative_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    finish(Path("run"), {}, "x")
    assert (tmp_path / "run" / "result.txt").exists()


def test_cache_folder_follows_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEUROGRAFT_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("NEUROGRAFT_CACHE")
    assert cache_folder().name == "neurograft"


def test_overwriting_spares_a_directory_that_the_user_has_added_to(tmp_path: Path) -> None:
    final = tmp_path / "run"
    with staged_directory(final, {"seed": 1}) as working:
        (working / "model").mkdir()
        (working / "model" / "weights").write_text("ours")
    (final / "model" / "my notes.txt").write_text("mine")
    with (
        pytest.raises(InputError, match=r"did not make: model/my notes.txt"),
        staged_directory(final, {"seed": 2}, overwrite=True),
    ):
        pass
    assert (final / "model" / "my notes.txt").read_text() == "mine"
    (final / "model" / "my notes.txt").unlink()
    with staged_directory(final, {"seed": 2}, overwrite=True) as working:
        (working / "other").write_text("new")
    assert not (final / "model").exists()
