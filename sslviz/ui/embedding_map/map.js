// The embedding map: plotly.js draws the points; hovering never asks the server. Several maps on a page that show the same
// pictures share one pointer and one selection.

const DWELL = 125; // ms the pointer rests before the first card
const GRACE = 260; // ms the card waits for the next point
const LOOK = 700; // ms after which a zoom that has come to rest is told
const ANSWER = 1000; // ms within which the server has answered a lasso
const GALLERY = 150; // ms that the gallery of a lasso takes, once it is there
const PICTURE = 40; // px of a thumbnail drawn in place of a point, at first

class EmbeddingMap {
  constructor(root) {
    const find = (name) => root.querySelector(`.em-${name}`);
    this.root = root.querySelector(".em");
    [this.frame, this.plot, this.ring, this.card, this.thumb, this.legend, this.tools, this.pill, this.said, this.mine] = [
      "frame", "plot", "ring", "card", "thumb", "legend", "tools", "chosen", "said", "guest",
    ].map(find);
    this.words = [find("name"), find("label")];
    this.hidden = new Set();
    this.chosen = new Set();
    this.mode = "pan";
    this.zoom = null;
    this.revision = 0;
    this.pictures = new Pictures(this, find("pictures"));
    this.film = new Film(this, find("film"));
    drawTools(this.tools, (name) => this.use(name), (size) => this.picture(size, true));
    markMode(this.tools, this.mode);
    this.pill.querySelector("button").onclick = () => this.choose([], true);
    this.plot.onkeydown = (event) => this.key(event);
    this.plot.onblur = () => this.leave(0);
    this.frame.onpointerleave = () => this.leave(0);
    this.size = new ResizeObserver(() => this.resized());
    this.size.observe(this.frame);
    this.hears = {
      "sslviz-sprites": (event) => this.arrived(event.detail),
      "sslviz-point": (event) => this.point(event.detail),
      "sslviz-chosen": (event) => this.heed(event.detail),
      "sslviz-points": (event) => event.detail === this.waiting?.points && this.update(this.waiting),
    };
    for (const [name, hear] of Object.entries(this.hears)) globalThis.addEventListener(name, hear);
  }

  destroy() {
    this.size.disconnect();
    for (const [name, hear] of Object.entries(this.hears)) globalThis.removeEventListener(name, hear);
    globalThis.removeEventListener("sslviz-plotly", this.onPlotly);
    clearTimeout(this.wait);
    clearTimeout(this.rest);
    clearTimeout(this.due);
    this.film.playing = false;
    if (this.ready) Plotly.purge(this.plot);
  }

  // What to draw: the points themselves, or the version of points that are sent apart and may yet be on their way.
  update(data) {
    const of = (version) => (version === this.points?.version ? this.points : globalThis.sslvizPoints?.get(version));
    const points = typeof data.points === "string" ? of(data.points) : data.points;
    this.waiting = points ? null : data;
    if (points) this.show({ ...data, points });
  }

  show(data) {
    this.frame.style.setProperty("--em-height", `${data.height}px`);
    const first = !this.points;
    if (data.points.version !== this.points?.version) this.take(data.points);
    if (first) {
      this.zoom = data.zoom ?? null;
      this.picture(data.pictures ?? 0, false);
      this.told = JSON.stringify({ zoom: this.zoom, pictures: this.pictures.size });
    }
    let others = false;
    if (data.selected !== this.selected) {
      this.selected = data.selected;
      const chosen = new Set(decode(data.selected, Int32Array));
      others = chosen.size !== this.chosen.size || [...chosen].some((id) => !this.chosen.has(id));
      this.chosen = chosen;
    }
    this.current = data.current;
    this.guest = data.guest;
    this.mine.hidden = !data.guest;
    if (data.guest) this.mine.style.backgroundImage = `url("${data.guest.uri}")`;
    const label = `${data.label} Arrow keys move from point to point, Enter opens one, plus and minus zoom.`;
    this.plot.setAttribute("aria-label", label);
    const seen = JSON.stringify([data.points.version, data.current, data.guest, data.height, themeOf(this.root)]);
    const same = seen === this.seen && !others;
    this.seen = seen;
    if (!same) this.draw();
    else if (this.due) this.later(GALLERY);
  }

  // Draw in a while: to draw ten thousand points takes longer than what somebody waits for.
  later(milliseconds) {
    clearTimeout(this.due);
    this.due = setTimeout(() => this.draw(), milliseconds);
  }

  // New points. The zoom is kept as long as the view, what the coordinates are, is the same.
  take(sent) {
    const view = this.points?.view;
    const names = sent.groups.map((group) => group.name).join("\n");
    if (names !== this.points?.groups.map((group) => group.name).join("\n")) this.hidden.clear();
    this.points = unpack(sent);
    if (sent.view !== view) this.zoom = null;
    if (sent.view !== view && view !== undefined) this.rested();
    this.tools.dataset.dims = sent.dims;
    this.leave(0);
    this.film.take(this.points);
  }

  filter() {
    const { count, group } = this.points;
    const shown = [];
    for (let row = 0; row < count; row++) if (!this.hidden.has(group[row])) shown.push(row);
    this.shown = shown;
  }

  // One drawing at a time; what changes meanwhile is drawn after it.
  async draw() {
    clearTimeout(this.due);
    this.due = null;
    if (!this.ready && !this.drawing) await this.sketch();
    if (!globalThis.Plotly) {
      wantPlotly();
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
      // Without handles: a lasso that begins at the rim is a lasso, and not the stretching of an axis.
      const config = { displayModeBar: false, scrollZoom: true, doubleClick: false, responsive: false,
        showAxisDragHandles: false };
      await Plotly.react(this.plot, tracesOf(this), layoutOf(this), config);
    } while (this.again);
    this.drawing = false;
    if (!this.ready) this.listen();
    this.ready = true;
    this.follow();
    this.root.dataset.state = "ready";
    this.root.dataset.version = this.points.version;
  }

  // Plotly takes a second for the first drawing, and longer where it is still to be read.
  sketch() {
    this.filter();
    this.chrome();
    if (sketch(this, this.pictures.canvas)) this.root.dataset.state = "sketched";
    return new Promise((shown) => requestAnimationFrame(() => setTimeout(shown)));
  }

  chrome() {
    drawLegend(this.legend, this.points, this.hidden, this.chosen, (group, alone) => this.toggle(group, alone));
    this.pill.hidden = this.chosen.size === 0;
    const text = `${this.chosen.size.toLocaleString("en")} of ${this.points.count.toLocaleString("en")} chosen`;
    this.pill.firstElementChild.textContent = text;
  }

  // Everything stays in view, unless somebody has looked closer.
  async resized() {
    if (!this.ready) return void (this.points && this.draw());
    await Plotly.Plots.resize(this.plot);
    if (this.points.dims === 2 && !this.zoom) {
      const [x0, x1, y0, y1] = fitted(this);
      await Plotly.relayout(this.plot, { "xaxis.range": [x0, x1], "yaxis.range": [y0, y1] });
    }
    this.follow();
  }

  // What stands over the plot goes where the plot has gone.
  follow() {
    this.pictures.later();
    if (this.at != null) this.place(this.at);
    if (!this.guest) return;
    const { x, y, z } = this.points;
    const at = [this.guest.place[0], this.guest.place[1], this.guest.place[2] ?? 0];
    const lone = { ...this.points, x: [at[0]], y: [at[1]], z: z && [at[2]] };
    const spot = x && y && spotOf(this.plot, lone, 0);
    if (spot) this.mine.style.transform = `translate(${spot[0]}px, ${spot[1]}px)`;
  }

  listen() {
    const of = (event) => event.points.find((point) => point.curveNumber === 0);
    this.plot.on("plotly_hover", (event) => of(event) && this.enter(this.points.rows.get(of(event).customdata)));
    this.plot.on("plotly_unhover", () => this.leave(GRACE));
    this.plot.on("plotly_click", (event) => of(event) && this.open(of(event).customdata));
    this.plot.on("plotly_selected", (event) => {
      // Drawing takes the outline away, which plotly reports as an empty selection of its own.
      if (!event || (this.drawing && !event.points.length)) return;
      const ids = event.points.filter((point) => point.curveNumber === 0).map((point) => point.customdata);
      setTimeout(() => this.choose(ids, true));
    });
    this.plot.on("plotly_selecting", () => this.due && this.later(ANSWER)); // not in the middle of the next lasso
    this.plot.on("plotly_doubleclick", () => (this.mode === "pan" ? this.use("fit") : this.choose([], true)));
    this.plot.on("plotly_relayouting", () => {
      this.leave(0);
      this.pictures.later();
    });
    this.plot.on("plotly_relayout", () => this.looked());
  }

  // The zoom, or the eye, has moved: it is kept, and told once it has come to rest.
  looked() {
    const { xaxis, yaxis, scene } = this.plot._fullLayout;
    if (this.points.dims === 3) {
      const { x, y, z } = scene._scene.getCamera().eye;
      this.zoom = [x, y, z];
    } else {
      const ranges = [...xaxis.range, ...yaxis.range];
      const all = fitted(this);
      this.zoom = ranges.every((value, place) => Math.abs(value - all[place]) < 1e-6) ? null : ranges;
    }
    this.follow();
    this.rested();
  }

  rested() {
    clearTimeout(this.rest);
    this.rest = setTimeout(() => {
      const look = { zoom: this.zoom, pictures: this.pictures.size };
      const text = JSON.stringify(look);
      if (text !== this.told) this.send("looked", look);
      this.told = text;
    }, LOOK);
  }

  choose(ids, tell) {
    this.chosen = new Set(ids);
    if (ids.length) this.later(ANSWER);
    if (tell) {
      this.send("selected", [...this.chosen]);
      const detail = { sprites: this.points.sprites, ids, from: this };
      globalThis.dispatchEvent(new CustomEvent("sslviz-chosen", { detail }));
    }
    this.said.textContent = `${ids.length} images chosen.`;
    // Plotly shows already what is in the lasso; the gallery of it comes first, and then all maps.
    if (ids.length) this.chrome();
    else this.draw();
  }

  heed(detail) {
    if (detail.from !== this && detail.sprites === this.points?.sprites) this.choose(detail.ids, false);
  }

  open(id) {
    this.current = id;
    this.guest = null;
    this.mine.hidden = true;
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
      this.zoom = null;
      this.plot.layout.uirevision = null; // or plotly would keep where one was
      this.draw().then(() => this.rested());
    } else if (name === "pictures") this.picture(this.pictures.size ? 0 : PICTURE, true);
    else if (name === "save") savePicture(this);
    else this.view(name === "in" ? 1 / 1.5 : 1.5);
  }

  picture(size, tell) {
    this.pictures.size = size;
    markPictures(this.tools, size);
    if (tell) {
      this.draw();
      this.rested();
    }
  }

  // Zoom by a factor, around a point where one is given.
  view(factor, row) {
    if (this.points.dims === 3) {
      const { x, y, z } = this.plot._fullLayout.scene._scene.getCamera().eye;
      return Plotly.relayout(this.plot, { "scene.camera.eye": { x: x * factor, y: y * factor, z: z * factor } });
    }
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
    if (row === undefined || this.film.playing) return;
    clearTimeout(this.wait);
    this.at = row;
    this.place(row);
    this.ring.dataset.shown = "";
    this.share(this.points.ids[row]);
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
      if (this.at != null && !this.pointed) this.share(null);
      this.at = null;
      this.pointed = false;
      delete this.card.dataset.shown;
      delete this.ring.dataset.shown;
    }, after);
  }

  share(id) {
    const detail = { sprites: this.points.sprites, id, from: this };
    globalThis.dispatchEvent(new CustomEvent("sslviz-point", { detail }));
  }

  paint(row) {
    const { points } = this;
    this.card.dataset.id = points.ids[row];
    const width = this.frame.clientWidth < 500 ? 84 : 116;
    this.card.style.setProperty("--em-card", `${width + 14}px`);
    paintThumb(this.thumb, points.sprites, points.tiles[row], width);
    this.words[0].textContent = points.names[row];
    this.words[1].textContent = [...new Set([labelName(points, row), groupName(points, row)])].filter(Boolean).join(" · ");
  }

  place(row) {
    const spot = spotOf(this.plot, this.points, row);
    if (!spot) return;
    const [x, y] = spot;
    this.ring.style.left = `${x}px`;
    this.ring.style.top = `${y}px`;
    placeCard(this.card, this.frame, x, y);
  }

  // A gallery, or another map, points at an image.
  point(detail) {
    if (detail.from === this || !this.ready || detail.sprites !== this.points?.sprites) return;
    const row = detail.id == null ? undefined : this.points.rows.get(detail.id);
    if (row === undefined) return this.leave(0);
    clearTimeout(this.wait);
    this.at = row;
    this.pointed = true;
    this.place(row);
    delete this.card.dataset.shown;
    this.ring.dataset.shown = "";
  }

  arrived(sprites) {
    if (sprites !== this.points?.sprites) return;
    if (this.at != null) this.paint(this.at);
    this.pictures.later();
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
    const { clientWidth: width, clientHeight: height } = this.frame;
    const known = this.at ?? this.points.rows.get(this.current);
    const from = known ?? inTheMiddle(this.plot, this.points, this.shown, width, height);
    const to = known === undefined ? from : inDirection(this.plot, this.points, this.shown, from, key);
    if (to === undefined || to < 0) return;
    const [x, y] = spotOf(this.plot, this.points, to) ?? [-1, -1];
    if (this.points.dims === 2 && !(x > 0 && y > 0 && x < width && y < height)) await this.view(1, to);
    this.enter(to);
    this.said.textContent = `${this.points.names[to]} ${labelName(this.points, to)}`;
  }
}

function wantPlotly() {
  globalThis.sslvizPlotlyWanted = true;
  globalThis.dispatchEvent(new Event("sslviz-plotly-wanted"));
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
