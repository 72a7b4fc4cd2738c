// The embedding map: plotly.js draws the points; hovering never asks the server.
// A point is known by its id, which travels as `customdata`; an index into what is shown changes with every filter.

const DWELL = 125; // ms the pointer rests before the first card
const GRACE = 260; // ms the card waits for the next point
const LONE = "#8a8f94"; // of points without a group

class EmbeddingMap {
  constructor(root) {
    const find = (name) => root.querySelector(`.em-${name}`);
    this.root = root.querySelector(".em");
    [this.frame, this.plot, this.ring, this.card, this.thumb, this.legend, this.tools, this.pill, this.said] = [
      "frame", "plot", "ring", "card", "thumb", "legend", "tools", "chosen", "said",
    ].map(find);
    this.words = [find("name"), find("label")];
    this.hidden = new Set();
    this.chosen = new Set();
    this.mode = "pan";
    this.ranges = null;
    this.revision = 0;
    drawTools(this.tools, (name) => this.use(name));
    markMode(this.tools, this.mode);
    this.pill.querySelector("button").onclick = () => this.choose([], true);
    this.plot.onkeydown = (event) => this.key(event);
    this.plot.onblur = () => this.leave(0);
    this.frame.onpointerleave = () => this.leave(0);
    this.size = new ResizeObserver(() => this.ready && Plotly.Plots.resize(this.plot));
    this.size.observe(this.frame);
    this.onSprites = (event) => event.detail === this.points?.sprites && this.at != null && this.paint(this.at);
    this.onPoint = (event) => this.point(event.detail);
    globalThis.addEventListener("sslviz-sprites", this.onSprites);
    globalThis.addEventListener("sslviz-point", this.onPoint);
  }

  destroy() {
    this.size.disconnect();
    globalThis.removeEventListener("sslviz-sprites", this.onSprites);
    globalThis.removeEventListener("sslviz-point", this.onPoint);
    globalThis.removeEventListener("sslviz-plotly", this.onPlotly);
    clearTimeout(this.wait);
    if (this.ready) Plotly.purge(this.plot);
  }

  update(data) {
    this.frame.style.setProperty("--em-height", `${data.height}px`);
    if (data.points.version !== this.points?.version) this.take(data.points);
    if (data.selected !== this.selected) {
      this.selected = data.selected;
      this.chosen = new Set(decode(data.selected, Int32Array));
    }
    this.current = data.current;
    this.lines = data.lines;
    const label = `${data.label} Arrow keys move from point to point, Enter opens one, plus and minus zoom.`;
    this.plot.setAttribute("aria-label", label);
    this.draw();
  }

  // New points. The zoom is kept as long as the view, what the coordinates are, is the same.
  take(sent) {
    const view = this.points?.view;
    const names = sent.groups.map((group) => group.name).join("\n");
    if (names !== this.points?.groups.map((group) => group.name).join("\n")) this.hidden.clear();
    const xy = decode(sent.xy, Float32Array);
    const count = xy.length / 2;
    this.points = {
      ...sent, count, x: xy.subarray(0, count), y: xy.subarray(count),
      ids: decode(sent.ids, Int32Array), tiles: decode(sent.tiles, Int32Array), group: decode(sent.group, Int32Array),
    };
    this.rows = new Map();
    this.points.ids.forEach((id, row) => this.rows.set(id, row));
    if (sent.view !== view) this.ranges = null;
    this.leave(0);
  }

  filter() {
    const { count, group } = this.points;
    const shown = [];
    for (let i = 0; i < count; i++) if (!this.hidden.has(group[i])) shown.push(i);
    this.shown = shown;
  }

  theme() {
    const style = getComputedStyle(this.root);
    const take = (name, other) => style.getPropertyValue(name).trim() || other;
    return {
      ground: take("--st-background-color", "#fff"),
      text: take("--st-text-color", "#222"),
      accent: take("--st-primary-color", "#0e6f73"),
    };
  }

  traces() {
    const { points, shown } = this;
    const theme = this.theme();
    const many = points.count;
    // A thin line of the text's colour: some colours of groups are near the ground's, on light or on dark.
    const outline = /^#[0-9a-f]{6}$/i.test(theme.text) ? `${theme.text}${many <= 700 ? "80" : "59"}` : theme.text;
    const wide = many <= 150 ? 12 : many <= 700 ? 10 : many <= 2500 ? 7.5 : many <= 8000 ? 5.5 : 4;
    const size = wide * (this.frame.clientWidth < 500 ? 0.75 : 1);
    const color = (i) => points.groups[points.group[i]]?.color ?? (points.groups.length ? LONE : theme.accent);
    const symbol = (i) => points.groups[points.group[i]]?.symbol ?? "circle";
    const plain = points.groups.every((group) => group.symbol === "circle");
    const dots = {
      type: "scattergl", mode: "markers", hoverinfo: "none",
      x: shown.map((i) => points.x[i]), y: shown.map((i) => points.y[i]),
      customdata: shown.map((i) => points.ids[i]),
      marker: {
        size, color: shown.map(color), symbol: plain ? "circle" : shown.map(symbol), opacity: many > 8000 ? 0.75 : 0.9,
        line: { width: many <= 2500 ? 1 : 0, color: outline },
      },
      selected: { marker: { opacity: 1 } },
      unselected: { marker: { opacity: 0.12 } },
      selectedpoints: null,
    };
    if (this.chosen.size) {
      dots.selectedpoints = [];
      shown.forEach((i, place) => this.chosen.has(points.ids[i]) && dots.selectedpoints.push(place));
    }
    return [dots, ...this.links(theme, size)];
  }

  // Lines from the current point to its neighbours, and rings around them all.
  links(theme, size) {
    const { x, y } = this.points;
    const from = this.rows.get(this.current);
    const near = from === undefined ? [] : this.lines.map((id) => this.rows.get(id)).filter((i) => i !== undefined);
    const line = {
      type: "scattergl", mode: "lines", hoverinfo: "skip", opacity: 0.6, line: { width: 1.6, color: theme.text },
      x: near.flatMap((i) => [x[from], x[i], null]), y: near.flatMap((i) => [y[from], y[i], null]),
    };
    const rings = (rows, extra, width) => ({
      type: "scattergl", mode: "markers", hoverinfo: "skip", x: rows.map((i) => x[i]), y: rows.map((i) => y[i]),
      marker: { size: size + extra, symbol: "circle-open", color: theme.text, line: { width } },
    });
    return [line, rings(near, 5, 1.6), rings(from === undefined ? [] : [from], 10, 3)];
  }

  layout() {
    const axis = (name) => ({
      visible: false, fixedrange: false,
      ...(this.ranges ? { range: [...this.ranges[name]], autorange: false } : { autorange: true }),
    });
    return {
      autosize: true, margin: { l: 16, r: 16, t: 52, b: 20 }, showlegend: false, hovermode: "closest",
      hoverdistance: 16, dragmode: this.mode, uirevision: this.points.view, selectionrevision: this.revision++,
      selections: [], paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      xaxis: axis("x"), yaxis: { ...axis("y"), scaleanchor: "x", scaleratio: 1 },
      newselection: { line: { color: this.theme().text, width: 1.5, dash: "dot" } },
    };
  }

  // One drawing at a time; what changes meanwhile is drawn after it.
  async draw() {
    if (!globalThis.Plotly) {
      this.onPlotly ??= () => this.draw();
      globalThis.addEventListener("sslviz-plotly", this.onPlotly, { once: true });
      return;
    }
    if (this.drawing) {
      this.again = true;
      return;
    }
    this.drawing = true;
    do {
      this.again = false;
      this.filter();
      this.chrome();
      const config = { displayModeBar: false, scrollZoom: true, doubleClick: false, responsive: false };
      await Plotly.react(this.plot, this.traces(), this.layout(), config);
    } while (this.again);
    this.drawing = false;
    if (!this.ready) this.listen();
    this.ready = true;
    this.root.dataset.state = "ready";
    this.root.dataset.version = this.points.version;
  }

  chrome() {
    drawLegend(this.legend, this.points, this.hidden, this.chosen, (group, alone) => this.toggle(group, alone));
    this.pill.hidden = this.chosen.size === 0;
    const text = `${this.chosen.size.toLocaleString("en")} of ${this.points.count.toLocaleString("en")} chosen`;
    this.pill.firstElementChild.textContent = text;
  }

  listen() {
    this.plot.on("plotly_hover", (event) => {
      const hit = event.points.find((point) => point.curveNumber === 0);
      if (hit) this.enter(this.rows.get(hit.customdata));
    });
    this.plot.on("plotly_unhover", () => this.leave(GRACE));
    this.plot.on("plotly_click", (event) => {
      const hit = event.points.find((point) => point.curveNumber === 0);
      if (hit) this.open(hit.customdata);
    });
    this.plot.on("plotly_selected", (event) => {
      // Drawing takes the outline away, which plotly reports as an empty selection of its own.
      if (!event || (this.drawing && !event.points.length)) return;
      const ids = event.points.filter((point) => point.curveNumber === 0).map((point) => point.customdata);
      setTimeout(() => this.choose(ids, true));
    });
    this.plot.on("plotly_doubleclick", () => (this.mode === "pan" ? this.use("fit") : this.choose([], true)));
    this.plot.on("plotly_relayouting", () => this.leave(0));
    this.plot.on("plotly_relayout", () => {
      const { xaxis, yaxis } = this.plot._fullLayout;
      this.ranges = xaxis.autorange ? null : { x: [...xaxis.range], y: [...yaxis.range] };
      if (this.at != null) this.place(this.at);
    });
  }

  choose(ids, tell) {
    this.chosen = new Set(ids);
    if (tell) this.send("selected", [...this.chosen]);
    this.said.textContent = `${ids.length} images chosen.`;
    this.draw();
  }

  open(id) {
    this.current = id;
    this.lines = [];
    this.send("clicked", id);
    this.draw();
  }

  toggle(group, alone) {
    const all = this.points.groups.map((_, index) => index);
    if (alone) this.hidden = new Set(all.filter((index) => index !== group));
    else if (!this.hidden.delete(group)) this.hidden.add(group);
    if (this.hidden.size === all.length) this.hidden.clear();
    this.leave(0);
    this.draw();
  }

  use(name) {
    if (["pan", "lasso", "select"].includes(name)) {
      this.mode = name;
      markMode(this.tools, name);
      Plotly.relayout(this.plot, { dragmode: name });
    } else if (name === "fit") {
      this.ranges = null;
      Plotly.relayout(this.plot, { "xaxis.autorange": true, "yaxis.autorange": true });
    } else if (name === "save") {
      const layout = { ...this.layout(), paper_bgcolor: this.theme().ground };
      const size = { width: this.frame.clientWidth, height: this.frame.clientHeight, scale: 2 };
      Plotly.downloadImage({ data: this.traces(), layout }, { format: "png", filename: "sslviz-map", ...size });
    } else this.view(name === "in" ? 1 / 1.5 : 1.5);
  }

  // Zoom by a factor, around a point where one is given.
  view(factor, row) {
    const { xaxis, yaxis } = this.plot._fullLayout;
    const range = ({ range: [low, high] }, at) => {
      const middle = at ?? (low + high) / 2;
      return [middle - ((high - low) / 2) * factor, middle + ((high - low) / 2) * factor];
    };
    const [x, y] = row === undefined ? [] : [this.points.x[row], this.points.y[row]];
    return Plotly.relayout(this.plot, { "xaxis.range": range(xaxis, x), "yaxis.range": range(yaxis, y) });
  }

  // The pointer, or the keyboard, is on a point.
  enter(row) {
    if (row === undefined) return;
    clearTimeout(this.wait);
    this.at = row;
    this.place(row);
    this.ring.dataset.shown = "";
    const show = () => {
      this.paint(row);
      this.card.dataset.shown = "";
      this.place(row);
    };
    if ("shown" in this.card.dataset) show();
    else this.wait = setTimeout(show, DWELL);
  }

  leave(after) {
    clearTimeout(this.wait);
    this.wait = setTimeout(() => {
      this.at = null;
      delete this.card.dataset.shown;
      delete this.ring.dataset.shown;
    }, after);
  }

  paint(row) {
    const { points } = this;
    this.card.dataset.id = points.ids[row];
    const width = points.count && this.frame.clientWidth < 500 ? 84 : 116;
    this.card.style.setProperty("--em-card", `${width + 14}px`);
    paintThumb(this.thumb, points.sprites, points.tiles[row], width);
    this.words[0].textContent = points.names[row];
    this.words[1].textContent = points.groups[points.group[row]]?.name ?? "";
  }

  spot(row) {
    const { xaxis, yaxis } = this.plot._fullLayout;
    return [xaxis._offset + xaxis.l2p(this.points.x[row]), yaxis._offset + yaxis.l2p(this.points.y[row])];
  }

  place(row) {
    const [x, y] = this.spot(row);
    this.ring.style.left = `${x}px`;
    this.ring.style.top = `${y}px`;
    placeCard(this.card, this.frame, x, y);
  }

  // A gallery elsewhere on the page points at an image.
  point(detail) {
    if (!this.ready || !this.points || detail.sprites !== this.points.sprites) return;
    const row = detail.id == null ? undefined : this.rows.get(detail.id);
    if (row === undefined) return this.leave(0);
    clearTimeout(this.wait);
    this.at = row;
    this.place(row);
    this.ring.dataset.shown = "";
  }

  key(event) {
    if (!this.ready || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key.startsWith("Arrow")) this.step(event.key);
    else if (["Enter", " "].includes(event.key) && this.at != null) this.open(this.points.ids[this.at]);
    else if (event.key === "Escape") this.at == null ? this.choose([], true) : this.leave(0);
    else if (["+", "=", "-"].includes(event.key)) this.view(event.key === "-" ? 1.5 : 1 / 1.5);
    else if (event.key === "0") this.use("fit");
    else return;
    event.preventDefault();
  }

  async step(key) {
    const from = this.at ?? this.rows.get(this.current) ?? this.middle();
    const to = this.at == null && this.current == null ? from : inDirection(this.points, this.shown, from, key);
    if (to === undefined || to < 0) return;
    const [x, y] = this.spot(to);
    const inside = x > 0 && y > 0 && x < this.frame.clientWidth && y < this.frame.clientHeight;
    if (!inside) await this.view(1, to);
    this.enter(to);
    this.said.textContent = `${this.points.names[to]} ${this.points.groups[this.points.group[to]]?.name ?? ""}`;
  }

  middle() {
    const [x, y] = [this.frame.clientWidth / 2, this.frame.clientHeight / 2];
    let [best, least] = [undefined, Infinity];
    for (const i of this.shown) {
      const [px, py] = this.spot(i);
      const distance = (px - x) ** 2 + (py - y) ** 2;
      if (distance < least) [least, best] = [distance, i];
    }
    return best;
  }
}

function decode(text, Kind) {
  return new Kind(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
}

const maps = new WeakMap();

export default function ({ parentElement, data, setTriggerValue }) {
  if (!maps.has(parentElement)) maps.set(parentElement, new EmbeddingMap(parentElement));
  const map = maps.get(parentElement);
  map.send = setTriggerValue;
  map.update(data);
  return () => {
    map.destroy();
    maps.delete(parentElement);
  };
}
