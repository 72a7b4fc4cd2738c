// The curves of runs: one plotly figure with a panel for each figure, which outlives every update of its data.
// What a reader did to it (zoom, hidden curves) is kept here and given to plotly anew at each drawing: plotly's own
// memory of it ends where an axis that it did not change itself is given another range, as a live one is.

const NARROW = 620; // CSS pixels under which panels stand below each other
const TOOLS = {
  fit: ["Show all again (or double-click)", "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5"],
  save: ["Save the curves as a PNG", "M12 4v11M7 11l5 5 5-5M5 20h14"],
};

class RunCurves {
  constructor(root) {
    this.root = root.querySelector(".rc");
    [this.frame, this.plot, this.legend, this.bar] = ["frame", "plot", "legend", "tools"].map((name) =>
      root.querySelector(`.rc-${name}`),
    );
    this.hidden = new Set(); // "kind training", "run <id>"
    this.zoom = {}; // "x" or a panel's name → range; only what a reader changed
    this.updates = 0;
    this.buttons = Object.fromEntries(Object.entries(TOOLS).map(([name, tool]) => [name, this.tool(name, ...tool)]));
    this.buttons.fit.hidden = true;
    // A finger that drags wants to scroll the page.
    this.touch = matchMedia("(pointer: coarse)").matches;
    if (this.touch) this.root.dataset.touch = "";
    this.size = new ResizeObserver(() => this.data && this.width !== this.frame.clientWidth && this.draw());
    this.size.observe(this.frame);
  }

  destroy() {
    this.size.disconnect();
    globalThis.removeEventListener("sslviz-plotly", this.onPlotly);
    if (this.ready) Plotly.purge(this.plot);
  }

  tool(name, title, path) {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.tool = name;
    button.title = title;
    button.setAttribute("aria-label", title);
    button.innerHTML = `<svg viewBox="0 0 24 24" aria-hidden="true"><path d="${path}"/></svg>`;
    button.onclick = () => (name === "fit" ? this.fit() : this.save());
    this.bar.append(button);
    return button;
  }

  update(data) {
    if (data.revision !== this.data?.revision) this.zoom = {}; // other axes: what was zoomed into is elsewhere
    const axes = data.axes.map(decode);
    const curves = data.curves.map((curve) => ({
      ...curve, x: axes[curve.x], y: decode(curve.y), raw: curve.raw && decode(curve.raw),
    }));
    this.data = { ...data, curves };
    this.plot.setAttribute("aria-label", data.label);
    this.fresh = true;
    this.draw();
  }

  shown(curve) {
    const { runs } = this.data;
    return !this.hidden.has(`kind ${curve.kind}`) && !this.hidden.has(`run ${runs[curve.run].id}`);
  }

  theme() {
    const style = getComputedStyle(this.root);
    const take = (name, other) => style.getPropertyValue(name).trim() || other;
    return {
      ground: take("--st-background-color", "#fff"),
      text: take("--st-text-color", "#222"),
      line: take("--st-border-color", "#ddd"),
      font: style.fontFamily,
    };
  }

  traces(theme) {
    const { curves, panels, runs } = this.data;
    const several = runs.length > 1;
    const ink = (color) => readable(color, theme);
    return curves.flatMap((curve) => {
      const bold = curve.kind !== "training";
      const name = several ? `${escapeText(runs[curve.run].name)} · ${curve.kind}` : curve.kind;
      const form = panels[curve.panel].percent ? ":.1%" : ":.4g";
      const line = {
        type: "scatter", name, visible: this.shown(curve), connectgaps: false, meta: curve.kind,
        xaxis: axisName("x", curve.panel), yaxis: axisName("y", curve.panel), x: curve.x, y: curve.y,
        mode: bold || curve.x.length === 1 ? "lines+markers" : "lines", opacity: several && !bold ? 0.65 : 1,
        line: { color: ink(curve.color), width: bold ? 2.4 : several ? 1.2 : 1.6 },
        marker: { color: ink(curve.color), size: 6, line: { color: theme.ground, width: 1 } },
        hovertemplate: `%{y${form}}<extra>${name}</extra>`,
      };
      if (!curve.raw) return [line];
      const raw = { ...line, y: curve.raw, opacity: several ? 0.12 : 0.28, hoverinfo: "skip", hovertemplate: undefined };
      return [{ ...raw, line: { ...line.line, width: 1 } }, line];
    });
  }

  // Places of the panels, as shares of the figure: the first is the largest where there are three.
  domains() {
    const count = this.data.panels.length;
    const height = this.frame.clientHeight;
    const gap = (pixels) => pixels / height;
    const [top, bottom] = [24, 40]; // of each panel: its title, its axis
    if (this.narrow || count === 1) {
      const each = 1 / count;
      return this.data.panels.map((_, i) => ({
        x: [0, 1], y: [1 - (i + 1) * each + gap(i === count - 1 ? bottom : 26), 1 - i * each - gap(top)],
      }));
    }
    const low = gap(bottom);
    const high = 1 - gap(top);
    const between = 56 / this.frame.clientWidth;
    if (count === 2) return [[0, 0.5 - between / 2], [0.5 + between / 2, 1]].map((x) => ({ x, y: [low, high] }));
    const middle = (low + high) / 2;
    const right = [0.57 + between / 2, 1];
    return [
      { x: [0, 0.57 - between / 2], y: [low, high] },
      { x: right, y: [middle + gap(20), high] },
      { x: right, y: [low, middle - gap(38)] },
    ];
  }

  layout(theme) {
    const { data } = this;
    const soft = mix(theme.text, theme.ground, 0.72);
    const grid = mix(theme.line, theme.ground, 0.65);
    const layout = {
      autosize: false, width: this.frame.clientWidth, height: this.frame.clientHeight, showlegend: false,
      margin: { l: 46, r: 8, t: 0, b: 0 }, uirevision: data.revision, hovermode: "x unified", hoverdistance: 40,
      dragmode: this.touch ? false : "zoom", paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: theme.font, size: 12, color: soft }, shapes: [], annotations: [],
      hoverlabel: { bgcolor: theme.ground, bordercolor: theme.line, font: { color: theme.text, size: 12 } },
      modebar: { remove: [] },
    };
    const domains = this.domains();
    data.panels.forEach((panel, i) => {
      const [x, y] = [axisName("xaxis", i), axisName("yaxis", i)];
      const last = !this.narrow || i === data.panels.length - 1;
      layout[x] = {
        domain: domains[i].x, anchor: axisName("y", i), range: [...(this.zoom.x ?? [0, data.end])], autorange: false,
        matches: i ? "x" : undefined, showgrid: false, zeroline: false, linecolor: theme.line, showline: true,
        ticks: "outside", ticklen: 4, tickcolor: theme.line, nticks: domains[i].x[1] - domains[i].x[0] > 0.5 ? 8 : 5,
        dtick: data.unit === "step" && data.end < 5 ? 1 : undefined,
        title: last && (this.narrow || i !== 1 || data.panels.length === 2) ? { text: data.unit, standoff: 6 } : undefined,
        tickformat: data.unit === "step" ? ",d" : undefined, hoverformat: data.unit === "step" ? ",d" : ",.1f",
        unifiedhovertitle: { text: `${data.unit} %{x}` },
        fixedrange: false,
      };
      const zoomed = this.zoom[panel.name];
      layout[y] = {
        domain: domains[i].y, anchor: axisName("x", i), gridcolor: grid, zeroline: false, automargin: false,
        ticklabelstandoff: 5, tickformat: panel.percent ? ".3~%" : ".3~g", rangemode: panel.percent ? "tozero" : "normal", nticks: 6,
        ...(zoomed ? { range: [...zoomed], autorange: false } : { autorange: true }),
      };
      layout.annotations.push({
        text: `<b>${panel.name}</b>`, x: domains[i].x[0], y: domains[i].y[1], xref: "paper", yref: "paper", showarrow: false,
        xanchor: "left", yanchor: "bottom", yshift: 3, xshift: -2, font: { color: theme.text, size: 13 },
      });
    });
    data.levels.forEach((level) => layout.shapes.push(levelLine(level, soft)));
    data.begins.forEach((x) =>
      data.panels.forEach((_, i) =>
        layout.shapes.push({
          type: "line", layer: "below", xref: axisName("x", i), yref: `${axisName("y", i)} domain`, x0: x, x1: x, y0: 0, y1: 1,
          line: { color: soft, width: 1, dash: "dot" },
        }),
      ),
    );
    return layout;
  }

  // One drawing at a time; what changes meanwhile is drawn after it.
  async draw() {
    if (!globalThis.Plotly) {
      this.onPlotly ??= () => this.draw();
      globalThis.addEventListener("sslviz-plotly", this.onPlotly, { once: true });
      globalThis.sslvizPlotlyWanted = true;
      globalThis.dispatchEvent(new Event("sslviz-plotly-wanted"));
      return;
    }
    if (this.drawing) {
      this.again = true;
      return;
    }
    this.drawing = true;
    do {
      this.again = false;
      this.width = this.frame.clientWidth;
      this.narrow = this.width < NARROW;
      const count = this.data.panels.length;
      const height = this.narrow ? 210 * count + 20 : count === 3 ? 450 : 300;
      this.frame.style.setProperty("--rc-height", `${height}px`);
      const theme = this.theme();
      this.chrome(theme);
      const config = { displayModeBar: false, doubleClick: false, responsive: false, scrollZoom: false };
      await Plotly.react(this.plot, this.traces(theme), this.layout(theme), config);
    } while (this.again);
    this.drawing = false;
    if (!this.ready) this.listen();
    this.ready = true;
    this.root.dataset.state = "ready";
    if (this.fresh) this.root.dataset.updates = ++this.updates;
    this.fresh = false;
  }

  listen() {
    this.plot.on("plotly_relayout", (change) => {
      for (const key of Object.keys(change)) {
        const axis = /^([xy]axis)(\d*)\.range/.exec(key);
        if (!axis) continue;
        // The panels share what is across; their own is kept by name, for one may come in between.
        const name = axis[1] === "xaxis" ? "x" : this.data.panels[(axis[2] || 1) - 1].name;
        this.zoom[name] = [...this.plot._fullLayout[axis[1] + axis[2]].range];
      }
      this.buttons.fit.hidden = !Object.keys(this.zoom).length;
    });
    this.plot.on("plotly_doubleclick", () => this.fit());
  }

  fit() {
    this.zoom = {};
    this.buttons.fit.hidden = true;
    this.draw();
  }

  save() {
    const theme = this.theme();
    const layout = { ...this.layout(theme), paper_bgcolor: theme.ground, margin: { l: 60, r: 24, t: 16, b: 16 } };
    const figure = { data: this.traces(theme), layout: { ...layout, showlegend: true, legend: { orientation: "h", y: -0.02 } } };
    const size = { width: this.frame.clientWidth + 68, height: this.frame.clientHeight + 80, scale: 2 };
    Plotly.downloadImage(figure, { format: "png", filename: "sslviz-curves", ...size });
  }

  // A button for each run, where there are several, and for each kind of curve.
  chrome(theme) {
    const { runs, kinds } = this.data;
    const ink = (color) => readable(color, theme);
    const entries = runs.length > 1 ? runs.map((run) => [`run ${run.id}`, run.name, ink(run.color), "run"]) : [];
    const first = entries.length;
    for (const { name, color } of kinds) entries.push([`kind ${name}`, name, first ? "currentColor" : ink(color), name]);
    const version = JSON.stringify(entries);
    if (version !== this.legend.dataset.version) {
      this.legend.dataset.version = version;
      const groups = [document.createElement("div"), document.createElement("div")];
      this.legend.replaceChildren(...groups);
      entries.forEach(([key, name, color, mark], index) => {
        const button = document.createElement("button");
        button.type = "button";
        button.dataset.key = key;
        button.title = `${name}\nClick to hide or show, double-click to show it alone`;
        button.append(sample(color, mark), Object.assign(document.createElement("span"), { textContent: name }));
        button.onclick = () => this.toggle(key);
        button.ondblclick = () => this.alone(key);
        groups[index < first ? 0 : 1].append(button);
      });
    }
    for (const button of this.legend.querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(!this.hidden.has(button.dataset.key)));
    }
  }

  toggle(key) {
    if (!this.hidden.delete(key)) this.hidden.add(key);
    this.draw();
  }

  alone(key) {
    const sort = key.split(" ")[0];
    const keys = [...this.legend.querySelectorAll("button")].map((button) => button.dataset.key);
    const others = keys.filter((other) => other !== key && other.startsWith(`${sort} `));
    this.hidden = new Set([...[...this.hidden].filter((other) => !other.startsWith(`${sort} `)), ...others]);
    this.draw();
  }
}

// A dashed or dotted line across a panel with its words on it, at its left, middle or right.
function levelLine(level, soft) {
  const [x, y] = [axisName("x", level.panel), axisName("y", level.panel)];
  return {
    type: "line", layer: "below", xref: `${x} domain`, yref: y, x0: 0, x1: 1, y0: level.value, y1: level.value,
    line: { color: level.color ?? soft, width: 1.3, dash: level.dash },
    label: {
      text: escapeText(level.text).replaceAll("\n", "<br>"), textposition: level.place, yanchor: level.below ? "top" : "bottom", padding: 2,
      font: { size: 11, color: level.color ?? soft },
    },
  };
}

// A short piece of a curve for the legend.
function sample(color, mark) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 22 12");
  svg.setAttribute("aria-hidden", "true");
  const add = (name, attributes) => {
    const shape = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) shape.setAttribute(key, value);
    svg.append(shape);
  };
  const thin = mark === "training";
  add("line", { x1: 1, x2: 21, y1: 6, y2: 6, stroke: color, "stroke-width": thin ? 1.6 : mark === "run" ? 4 : 2.4, "stroke-linecap": "round" });
  if (!thin && mark !== "run") add("circle", { cx: 11, cy: 6, r: 3.4, fill: color });
  return svg;
}

function axisName(name, panel) {
  return panel ? `${name}${panel + 1}` : name;
}

// Names are strangers' data, and plotly reads some tags.
function escapeText(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

// Two colours, #rgb or #rrggbb, mixed; the first one where they are written otherwise.
function mix(one, other, share) {
  const parts = (color) => /^#[0-9a-f]{6}$/i.test(color) && [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
  const [a, b] = [parts(one), parts(other)];
  return a && b ? `rgb(${a.map((value, i) => Math.round(share * value + (1 - share) * b[i])).join(",")})` : one;
}

// A colour, brought nearer to that of words where it would be lost on the ground: 3 to 1, as graphics need.
function readable(color, theme) {
  const light = (rgb) => {
    const parts = (rgb.startsWith("#") ? mix(rgb, rgb, 1) : rgb).match(/\d+/g) ?? [0, 0, 0];
    const [r, g, b] = parts.map((part) => (part / 255 <= 0.04 ? part / 3295 : ((part / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
  };
  const ground = light(theme.ground);
  let found = color;
  for (let share = 1; share > 0.4; share -= 0.1) {
    found = mix(color, theme.text, share);
    const ratio = light(found) / ground;
    if (Math.max(ratio, 1 / ratio) >= 3) break;
  }
  return found;
}

// Packed float32; what is not a number is a gap.
function decode(text) {
  const values = new Float32Array(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
  return Array.from(values, (value) => (Number.isNaN(value) ? null : value));
}

const charts = new WeakMap();

export default function ({ parentElement, data }) {
  if (!charts.has(parentElement)) charts.set(parentElement, new RunCurves(parentElement));
  const chart = charts.get(parentElement);
  chart.update(data);
  return () => {
    chart.destroy();
    charts.delete(parentElement);
  };
}
