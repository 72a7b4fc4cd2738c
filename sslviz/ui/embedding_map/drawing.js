// What plotly.js draws: traces and layout, from the state of a map.

const TOP = 48; // px above the points, for the tools
const RIM = 18; // px around them

function themeOf(root) {
  const style = getComputedStyle(root);
  const take = (name, other) => style.getPropertyValue(name).trim() || other;
  return {
    ground: take("--st-background-color", "#fff"),
    text: take("--st-text-color", "#222"),
    accent: take("--st-primary-color", "#0e6f73"),
  };
}

function dotSize(count, width) {
  const wide = count <= 150 ? 12 : count <= 700 ? 10 : count <= 2500 ? 7.5 : count <= 8000 ? 5.5 : 4;
  return wide * (width < 500 ? 0.75 : 1);
}

function colourOf(points, row, theme) {
  return points.groups[points.group[row]]?.color ?? (points.groups.length ? LONE : theme.accent);
}

function tracesOf(map) {
  const { points, shown, chosen } = map;
  const theme = themeOf(map.root);
  const many = points.count;
  const size = dotSize(many, map.frame.clientWidth);
  // A thin line of the text's colour: some colours of groups are near the ground's, on light or on dark.
  const outline = /^#[0-9a-f]{6}$/i.test(theme.text) ? `${theme.text}${many <= 700 ? "80" : "59"}` : theme.text;
  const colours = shown.map((row) => colourOf(points, row, theme));
  const plain = points.groups.every((group) => group.symbol === "circle");
  const symbols = plain ? "circle" : shown.map((row) => points.groups[points.group[row]]?.symbol ?? "circle");
  const dots = {
    mode: "markers", hoverinfo: "none", ...placesOf(points, shown), customdata: shown.map((row) => points.ids[row]),
    marker: { size, color: colours, symbol: symbols, opacity: many > 8000 ? 0.75 : 0.9,
      line: { width: many <= 2500 ? 1 : 0, color: outline } },
  };
  if (points.dims === 3) {
    // A volume knows no selected points, so those outside the selection are faded by their colour.
    const faded = (color, row) => (chosen.size && !chosen.has(points.ids[row]) ? `${color}26` : color);
    dots.type = "scatter3d";
    dots.marker = { ...dots.marker, size: size * 0.5, color: colours.map((color, at) => faded(color, shown[at])), line: { width: 0 } };
  } else {
    dots.type = "scattergl";
    dots.selected = { marker: { opacity: 1 } };
    dots.unselected = { marker: { opacity: 0.12 } };
    dots.selectedpoints = chosen.size
      ? shown.flatMap((row, place) => (chosen.has(points.ids[row]) ? [place] : []))
      : null;
  }
  return [dots, ...linksOf(map, theme, size)];
}

function placesOf(points, rows) {
  const places = { x: rows.map((row) => points.x[row]), y: rows.map((row) => points.y[row]) };
  return points.dims === 3 ? { ...places, z: rows.map((row) => points.z[row]) } : places;
}

// Lines from the current point, or from a picture that is no point, to its neighbours; rings around them, and around the
// points that are marked.
function linksOf(map, theme, size) {
  const { points, guest } = map;
  const type = points.dims === 3 ? "scatter3d" : "scattergl";
  const current = points.rows.get(map.current);
  const near = guest ? guest.near : current === undefined ? [] : points.nearest(current);
  const from = guest ? guest.place : current === undefined ? [] : ["x", "y", "z"].map((axis) => points[axis]?.[current]);
  const along = (axis) => near.flatMap((row) => [from["xyz".indexOf(axis)], points[axis][row], null]);
  const line = {
    type, mode: "lines", hoverinfo: "skip", opacity: 0.6, line: { width: 1.6, color: theme.text }, x: along("x"), y: along("y"),
    ...(points.dims === 3 ? { z: along("z") } : {}),
  };
  const scale = points.dims === 3 ? 0.5 : 1;
  const rings = (rows, extra, width, color = theme.text) => ({
    type, mode: "markers", hoverinfo: "skip", ...placesOf(points, rows),
    marker: { size: (size + extra) * scale, symbol: "circle-open", color, line: { width } },
  });
  const marked = points.marked.filter((row) => row !== undefined && !map.hidden.has(points.group[row]));
  return [line, rings(near, 5, 1.6), rings(current === undefined ? [] : [current], 10, 3), rings(marked, 6, 2)];
}

function layoutOf(map) {
  const { points, zoom } = map;
  const revision = points.view;
  const base = {
    autosize: true, margin: { l: 0, r: 0, t: TOP, b: 0 }, showlegend: false, hovermode: "closest",
    hoverdistance: Math.max(16, map.pictures.size / 2), uirevision: revision, paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
  };
  if (points.dims === 3) {
    const axis = { visible: false, range: [-1.05, 1.05], autorange: false };
    const [x, y, z] = zoom?.length === 3 ? zoom : [0.95, 0.95, 0.6];
    return { ...base, dragmode: false, margin: { l: 0, r: 0, t: 0, b: 0 },
      scene: { xaxis: axis, yaxis: axis, zaxis: axis, aspectmode: "cube", dragmode: "orbit", uirevision: revision,
        camera: { eye: { x, y, z } } } };
  }
  const ranges = zoom?.length === 4 ? zoom : fitted(map);
  const axis = (first) => ({ visible: false, fixedrange: false, range: ranges.slice(first, first + 2), autorange: false });
  return { ...base, dragmode: map.mode, selectionrevision: map.revision++, selections: [], xaxis: axis(0), yaxis: axis(2),
    newselection: { line: { color: themeOf(map.root).text, width: 1.5, dash: "dot" } } };
}

// The ranges of both axes in which all points lie, as wide on the screen as they are high.
function fitted({ points, frame }) {
  points.reach ??= ["x", "y"].map((axis) => {
    const all = points.frames ? points.frames.map((moment) => moment["xy".indexOf(axis)]) : [points[axis]];
    let [low, high] = [Infinity, -Infinity];
    for (const values of all) for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)];
    return [low, high];
  });
  const [across, up] = points.reach.map(([low, high]) => ({ middle: (low + high) / 2, half: Math.max(0.05, (high - low) / 2) }));
  const [width, height] = [Math.max(1, frame.clientWidth), Math.max(1, frame.clientHeight - TOP)];
  const unit = Math.max(across.half / (width / 2 - RIM), up.half / (height / 2 - RIM));
  const [x, y] = [(unit * width) / 2, (unit * height) / 2];
  return [across.middle - x, across.middle + x, up.middle - y, up.middle + y];
}

// The points as plain dots, for as long as plotly.js is on its way.
function sketch(map, canvas) {
  const { points, shown } = map;
  if (points.dims !== 2) return false;
  const { clientWidth: width, clientHeight: height } = map.frame;
  const scale = globalThis.devicePixelRatio || 1;
  [canvas.width, canvas.height] = [width * scale, height * scale];
  const context = canvas.getContext("2d");
  context.scale(scale, scale);
  const [x0, x1, y0, y1] = map.zoom?.length === 4 ? map.zoom : fitted(map);
  const theme = themeOf(map.root);
  const radius = dotSize(points.count, width) / 2;
  context.globalAlpha = 0.85;
  for (const row of shown) {
    context.fillStyle = colourOf(points, row, theme);
    context.beginPath();
    context.arc(((points.x[row] - x0) / (x1 - x0)) * width, TOP + ((y1 - points.y[row]) / (y1 - y0)) * (height - TOP), radius, 0, 7);
    context.fill();
  }
  return true;
}
