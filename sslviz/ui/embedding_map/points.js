// The points of a map as the server sends them, and where they are drawn. A point is known by its id, which travels as
// `customdata`; a row is its place in what was sent.

const LONE = "#8a8f94"; // of points without a group

function decode(text, Kind) {
  return new Kind(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
}

function unpack(sent) {
  const ids = decode(sent.ids, Int32Array);
  const count = ids.length;
  const flat = decode(sent.xy, Float32Array);
  const [x, y, z] = [0, 1, 2].map((axis) => (axis < sent.dims ? flat.slice(axis * count, (axis + 1) * count) : null));
  const points = { ...sent, count, x, y, z, ids, frames: null, label: decode(sent.label, Int32Array),
    tiles: decode(sent.tiles, Int32Array), group: decode(sent.group, Int32Array), rows: new Map() };
  ids.forEach((id, row) => points.rows.set(id, row));
  const near = decode(sent.near, Int32Array);
  points.nearest = (row) => Array.from(near.subarray(row * sent.k, (row + 1) * sent.k));
  points.marked = Array.from(decode(sent.marks, Int32Array)).map((id) => points.rows.get(id));
  if (sent.frames) {
    const all = decode(sent.frames, Float32Array);
    points.frames = sent.said.map((_, frame) =>
      [0, 1].map((axis) => all.subarray((2 * frame + axis) * count, (2 * frame + axis + 1) * count)));
  }
  return points;
}

function groupName(points, row) {
  return points.groups[points.group[row]]?.name ?? "";
}

function labelName(points, row) {
  return points.labels[points.label[row]] ?? "";
}

// Where a point lies in the frame, in CSS pixels from its upper left; null where it is behind the eye.
function spotOf(plot, points, row) {
  if (points.dims === 2) {
    const { xaxis, yaxis } = plot._fullLayout;
    return [xaxis._offset + xaxis.l2p(points.x[row]), yaxis._offset + yaxis.l2p(points.y[row])];
  }
  const scene = plot._fullLayout.scene._scene;
  const { model, view, projection } = scene.glplot.cameraParams;
  let at = [points.x[row], points.y[row], points.z[row]].map((value, axis) => value * scene.dataScale[axis]);
  at.push(1);
  for (const matrix of [model, view, projection]) {
    at = [0, 1, 2, 3].map((i) => matrix[i] * at[0] + matrix[4 + i] * at[1] + matrix[8 + i] * at[2] + matrix[12 + i] * at[3]);
  }
  if (at[3] <= 0) return null;
  const size = plot._fullLayout._size;
  return [size.l + ((at[0] / at[3] + 1) / 2) * size.w, size.t + ((1 - at[1] / at[3]) / 2) * size.h];
}

// The nearest shown point in the direction of an arrow key, within 45° of it on the screen; off-axis distance counts
// double.
function inDirection(plot, points, shown, from, key) {
  const [dx, dy] = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
  const start = spotOf(plot, points, from);
  let best = -1;
  let least = Infinity;
  for (const row of start ? shown : []) {
    const spot = spotOf(plot, points, row);
    if (!spot) continue;
    const [x, y] = [spot[0] - start[0], spot[1] - start[1]];
    const along = x * dx + y * dy;
    const across = Math.abs(x * dy) + Math.abs(y * dx);
    if (along <= 0.01 || across > along) continue;
    const cost = along + 2 * across;
    if (cost < least) [least, best] = [cost, row];
  }
  return best;
}

function inTheMiddle(plot, points, shown, width, height) {
  let [best, least] = [undefined, Infinity];
  for (const row of shown) {
    const spot = spotOf(plot, points, row);
    const distance = spot ? (spot[0] - width / 2) ** 2 + (spot[1] - height / 2) ** 2 : Infinity;
    if (distance < least) [least, best] = [distance, row];
  }
  return best;
}
