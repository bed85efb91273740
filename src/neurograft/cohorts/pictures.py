"""A cohort of pictures, such as photographs: what networks of slices are trained on before they see a scan."""

from pathlib import Path

from neurograft.cohorts.cohort import Case, Cohort
from neurograft.errors import InputError
from neurograft.imaging.files import is_image_file
from neurograft.imaging.labels import LabelTable
from neurograft.imaging.pictures import CLASS, COLOURS, VALUES, class_folders, is_picture_file

IMAGES, MASKS, LABEL_TABLE = "images", "masks", "labels.tsv"


def holds_pictures(folder: Path) -> bool:
    """Whether a folder has pictures, in itself or one folder down, and no scans, beside which pictures are reports."""
    if not folder.is_dir() or any(is_image_file(file) for file in folder.iterdir()):
        return False
    folders = [folder, *(folder / name for name in class_folders(folder))]
    return any(is_picture_file(file) for place in folders for file in place.iterdir())


def read_pictures(folder: Path | str, name: str | None = None) -> Cohort:
    """Read a folder of pictures (PNG or JPEG), each a subject of its own with the channels red, green and blue.

    In one of three forms:

    - pictures, in the folder itself or in its folder ``images``: no labels;
    - ``images``, and ``masks`` with a PNG of the same stem for each that is labelled, whose numbers
      ``labels.tsv`` (columns ``index`` and ``name``) names;
    - a folder for each class: every pixel of a picture is its class, which is what classification asks for.

    Args:
        folder: of one of these forms.
        name: the cohort's name; by default the folder's.

    Raises:
        InputError: no pictures, several of one name, or masks without a table or without a picture.
    """
    folder = Path(folder)
    inner = class_folders(folder)
    own = _pictures_in(folder)
    if own or IMAGES in inner:
        if own and IMAGES in inner:
            raise InputError(
                "pictures lie in this folder and in its folder images", "Put all of them into one place", folder
            )
        labels, cases = _with_masks(folder, own or _pictures_in(folder / IMAGES))
    else:
        labels, cases = _by_class(folder, inner)
    if not cases:
        raise InputError("no pictures in this folder (.png, .jpg)", "Check the path", folder)
    return Cohort(name or folder.absolute().name, folder, "pictures", COLOURS, labels, tuple(cases))


def _with_masks(folder: Path, pictures: list[Path]) -> tuple[LabelTable, list[Case]]:
    masks = {mask.stem: mask for mask in _pictures_in(folder / MASKS)}
    if masks and not (folder / LABEL_TABLE).is_file():
        raise InputError(
            "nothing names the numbers of the masks", f"Write {LABEL_TABLE} with columns index and name", folder
        )
    labels = LabelTable.from_tsv(folder / LABEL_TABLE) if masks else LabelTable(())
    stems = [picture.stem for picture in pictures]
    double = next((stem for stem in stems if stems.count(stem) > 1), None) if len(set(stems)) < len(stems) else None
    if double is not None:
        raise InputError(f"several pictures are named {double}", "Rename them or remove one", folder)
    lonely = sorted(set(masks) - set(stems))
    if lonely:
        raise InputError(f"no picture belongs to the mask {masks[lonely[0]].name}", "Give both one name", folder)
    return labels, [_case(stem, picture, masks.get(stem)) for stem, picture in zip(stems, pictures, strict=True)]


def _by_class(folder: Path, classes: list[str]) -> tuple[LabelTable, list[Case]]:
    labels = LabelTable.from_names(dict(enumerate(classes, start=1)))
    cases = []
    for one in classes:
        stems: set[str] = set()
        for picture in _pictures_in(folder / one):
            if picture.stem in stems:
                raise InputError(f"several pictures are named {picture.stem}", "Rename them", folder / one)
            stems.add(picture.stem)
            cases.append(_case(f"{one}_{picture.stem}", picture, None, picture / CLASS))
    return labels, cases


def _case(case_id: str, picture: Path, mask: Path | None, label: Path | None = None) -> Case:
    label = label if mask is None else mask / VALUES
    images = {colour: picture / colour for colour in COLOURS}
    return Case(case_id, case_id, None, images, label=label, label_state="none" if label is None else "dense")


def _pictures_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(file for file in folder.iterdir() if file.is_file() and is_picture_file(file))
