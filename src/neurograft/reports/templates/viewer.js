"use strict";
for (const viewer of document.querySelectorAll(".viewer")) {
  const data = JSON.parse(viewer.querySelector("script").textContent);
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const image = bytes(data.image);
  const labels = bytes(data.labels);
  const [D, H, W] = data.shape;
  const at = (x, y, z) => (x * H + y) * W + z;
  // Truth stays its outline, prediction a tint, so that both are seen where they agree.
  const tints = [[0, 158, 255], [255, 140, 0], [0, 200, 120], [220, 120, 220], [240, 220, 0], [120, 220, 255], [255, 110, 110]];
  const tint = (label) => tints[(label - 1) % tints.length];
  // Columns run against the array: the patient's right is on the reader's left, faces look to the left.
  const planes = {
    axial: { through: 2, across: 0, up: 1 },
    coronal: { through: 1, across: 0, up: 2 },
    sagittal: { through: 0, across: 1, up: 2 },
  };
  const place = data.shape.map((side) => Math.floor(side / 2));
  const shown = (name) => viewer.querySelector(`input[name="${name}"]`).checked;
  const voxel = (plane, column, row) => {
    const position = [...place];
    position[plane.across] = data.shape[plane.across] - 1 - column;
    position[plane.up] = data.shape[plane.up] - 1 - row;
    return position;
  };
  const draw = (name) => {
    const plane = planes[name];
    const canvas = viewer.querySelector(`canvas[data-plane="${name}"]`);
    const columns = data.shape[plane.across];
    const rows = data.shape[plane.up];
    canvas.width = columns;
    canvas.height = rows;
    const ratio = (columns * data.spacing[plane.across]) / (rows * data.spacing[plane.up]);
    canvas.style.aspectRatio = String(ratio);
    const context = canvas.getContext("2d");
    const picture = context.createImageData(columns, rows);
    const truthAt = (column, row) => {
      if (column < 0 || row < 0 || column >= columns || row >= rows) return 0;
      return labels[at(...voxel(plane, column, row))] & 15;
    };
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const position = voxel(plane, column, row);
        const index = at(...position);
        const grey = image[index];
        let colour = [grey, grey, grey];
        const predicted = labels[index] >> 4;
        if (predicted && shown("prediction")) colour = tint(predicted).map((part) => Math.round(0.55 * grey + 0.45 * part));
        const truth = labels[index] & 15;
        const edge = truth && [[1, 0], [-1, 0], [0, 1], [0, -1]].some(([dx, dy]) => truthAt(column + dx, row + dy) !== truth);
        if (edge && shown("truth")) colour = [255, 255, 255];
        if (shown("cross") && (position[plane.across] === place[plane.across] || position[plane.up] === place[plane.up])) {
          colour = colour.map((part) => Math.round(0.7 * part + 0.3 * 255));
        }
        picture.data.set([...colour, 255], 4 * (row * columns + column));
      }
    }
    context.putImageData(picture, 0, 0);
    const slider = viewer.querySelector(`input[data-plane="${name}"]`);
    slider.max = String(data.shape[plane.through] - 1);
    slider.value = String(place[plane.through]);
  };
  const name = (label) => (label ? data.names[label - 1] : "none");
  const update = () => {
    Object.keys(planes).forEach(draw);
    const index = at(...place);
    viewer.querySelector("output").textContent =
      `voxel ${place.join(", ")}: truth ${name(labels[index] & 15)}, prediction ${name(labels[index] >> 4)}`;
  };
  for (const canvas of viewer.querySelectorAll("canvas")) {
    canvas.addEventListener("click", (event) => {
      const box = canvas.getBoundingClientRect();
      const column = Math.min(canvas.width - 1, Math.floor(((event.clientX - box.left) / box.width) * canvas.width));
      const row = Math.min(canvas.height - 1, Math.floor(((event.clientY - box.top) / box.height) * canvas.height));
      voxel(planes[canvas.dataset.plane], column, row).forEach((value, axis) => (place[axis] = value));
      update();
    });
  }
  for (const slider of viewer.querySelectorAll('input[type="range"]')) {
    slider.addEventListener("input", () => {
      place[planes[slider.dataset.plane].through] = Number(slider.value);
      update();
    });
  }
  for (const box of viewer.querySelectorAll('input[type="checkbox"]')) box.addEventListener("change", update);
  // Begin in the middle of the true structure.
  let best = -1;
  for (let z = 0; z < W; z++) {
    let count = 0;
    for (let x = 0; x < D; x++) for (let y = 0; y < H; y++) count += (labels[at(x, y, z)] & 15) > 0;
    if (count > best) [best, place[2]] = [count, z];
  }
  let [sx, sy, n] = [0, 0, 0];
  for (let x = 0; x < D; x++) for (let y = 0; y < H; y++) if ((labels[at(x, y, place[2])] & 15) > 0) [sx, sy, n] = [sx + x, sy + y, n + 1];
  if (n) [place[0], place[1]] = [Math.round(sx / n), Math.round(sy / n)];
  update();
}
