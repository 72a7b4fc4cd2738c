// What stands around the points: tools, legend, the card under the pointer. Names are strangers' data and are only
// ever set as text.

const ICONS = {
  pan: "M12 3v18M3 12h18M12 3l-3 3M12 3l3 3M12 21l-3-3M12 21l3-3M3 12l3-3M3 12l3 3M21 12l-3-3M21 12l-3 3",
  lasso: "M7 17c-3-1-4-4-3-7 1-4 6-6 10-5 5 0 8 4 6 8-1 3-5 5-9 5-2 0-4-1-4-1zm0 0c-1 1-1 3 0 4",
  select: "M4 4h3M10 4h4M17 4h3v3M20 10v4M20 17v3h-3M14 20h-4M7 20H4v-3M4 14v-4M4 7V4",
  in: "M12 5v14M5 12h14",
  out: "M5 12h14",
  fit: "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5",
  save: "M12 4v11M7 11l5 5 5-5M5 20h14",
  pictures: "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M9 9h.01",
};

function drawTools(bar, press, resize) {
  const tools = [
    ["pan", "Move: drag to pan, scroll to zoom"],
    ["lasso", "Lasso: draw around images to choose them"],
    ["select", "Box: drag a rectangle to choose images"],
    null,
    ["pictures", "Draw the pictures in place of the points"],
    "size",
    ["in", "Zoom in"],
    ["out", "Zoom out"],
    ["fit", "Show all"],
    ["save", "Save the map as a PNG"],
  ];
  for (const tool of tools) {
    if (!tool) {
      bar.append(document.createElement("i"));
      continue;
    }
    if (tool === "size") {
      const size = document.createElement("input");
      Object.assign(size, { type: "range", min: 16, max: 112, step: 4, hidden: true, title: "Size of the pictures" });
      size.setAttribute("aria-label", "Size of the pictures");
      size.oninput = () => resize(+size.value);
      bar.append(size);
      continue;
    }
    const [name, title] = tool;
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.tool = name;
    button.title = title;
    button.setAttribute("aria-label", title);
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("aria-hidden", "true");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", ICONS[name]);
    svg.append(path);
    button.append(svg);
    button.onclick = () => press(name);
    bar.append(button);
  }
}

function markMode(bar, mode) {
  for (const name of ["pan", "lasso", "select"]) {
    bar.querySelector(`[data-tool="${name}"]`).setAttribute("aria-pressed", String(name === mode));
  }
}

function markPictures(bar, size) {
  bar.querySelector('[data-tool="pictures"]').setAttribute("aria-pressed", String(size > 0));
  const slider = bar.querySelector("input");
  slider.hidden = !size;
  if (size) slider.value = size;
}

// The map as a PNG, with the pictures that stand for points.
async function savePicture(map) {
  const { clientWidth: width, clientHeight: height } = map.frame;
  const layout = { ...layoutOf(map), paper_bgcolor: themeOf(map.root).ground };
  const source = await Plotly.toImage({ data: tracesOf(map), layout }, { format: "png", width, height, scale: 2 });
  const image = new Image();
  image.src = source;
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [2 * width, 2 * height];
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  if (map.pictures.size) context.drawImage(map.pictures.canvas, 0, 0, 2 * width, 2 * height);
  const link = document.createElement("a");
  link.download = "sslviz-map.png";
  link.href = canvas.toDataURL("image/png");
  link.click();
}

// A button for each group: a click hides or shows it, a click with Shift, or a double click, shows it alone.
function drawLegend(element, points, hidden, chosen, toggle) {
  const totals = new Array(points.groups.length).fill(0);
  const within = new Array(points.groups.length).fill(0);
  for (let i = 0; i < points.count; i++) {
    const group = points.group[i];
    if (group < 0) continue;
    totals[group]++;
    if (chosen.has(points.ids[i])) within[group]++;
  }
  if (element.childElementCount !== points.groups.length || element.dataset.version !== points.version) {
    element.replaceChildren();
    element.dataset.version = points.version;
    element.setAttribute("aria-label", points.title || "Groups");
    points.groups.forEach((group, index) => {
      const button = document.createElement("button");
      button.type = "button";
      button.title = `${group.name}\nClick to hide or show, Shift-click to show it alone`;
      const mark = document.createElement("span");
      mark.className = "em-mark";
      mark.style.setProperty("--em-mark", group.color);
      mark.dataset.shape = group.symbol;
      const name = document.createElement("span");
      name.textContent = group.name;
      button.append(mark, name, document.createElement("span"));
      button.onclick = (event) => toggle(index, event.shiftKey);
      button.ondblclick = () => toggle(index, true);
      element.append(button);
    });
  }
  [...element.children].forEach((button, index) => {
    button.setAttribute("aria-pressed", String(!hidden.has(index)));
    const count = totals[index].toLocaleString("en");
    button.lastChild.textContent = chosen.size ? `${within[index].toLocaleString("en")} / ${count}` : count;
  });
}

// The card above a place (x, y) of the frame; below it where there is no room above; always inside.
function placeCard(card, frame, x, y) {
  const width = card.offsetWidth;
  const height = card.offsetHeight;
  const left = Math.max(6, Math.min(x - width / 2, frame.clientWidth - width - 6));
  const above = y - height - 16;
  const top = above >= 6 ? above : Math.min(y + 16, frame.clientHeight - height - 6);
  card.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
}
