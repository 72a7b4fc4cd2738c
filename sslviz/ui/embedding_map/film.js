// The same points at several moments of a training: a slider and a button that plays them.

const FRAME = 900; // ms from one moment to the next

class Film {
  constructor(map, bar) {
    this.map = map;
    this.bar = bar;
    [this.button, this.slider, this.words] = ["button", "input", "output"].map((name) => bar.querySelector(name));
    this.button.onclick = () => (this.playing ? this.pause() : this.play());
    this.slider.oninput = () => {
      const at = +this.slider.value;
      this.pause();
      this.show(at);
    };
  }

  // New points. Where they have moments, the last is shown: it is the run as it is.
  take(points) {
    this.pause();
    this.bar.hidden = !points.frames;
    if (!points.frames) return;
    this.slider.max = points.frames.length - 1;
    this.at = points.frames.length - 1;
    this.move(this.at);
    this.tell();
  }

  play() {
    const last = this.map.points.frames.length - 1;
    if (this.at >= last) this.at = 0;
    this.playing = true;
    this.tell();
    let before = performance.now();
    const next = (now) => {
      if (!this.playing) return;
      this.at = Math.min(last, this.at + Math.max(0, now - before) / FRAME); // a frame may have begun before the click
      before = now;
      this.show(this.at);
      if (this.at >= last) this.pause();
      else requestAnimationFrame(next);
    };
    requestAnimationFrame(next);
  }

  pause() {
    const played = this.playing;
    this.playing = false;
    if (this.at !== undefined) this.tell();
    if (played) this.map.draw(); // lines and rings stood still meanwhile
  }

  // A moment between two is shown as the points on their way, slow where they leave and where they arrive.
  show(at) {
    this.at = at;
    this.move(at);
    const { map } = this;
    const places = placesOf(map.points, map.shown);
    if (map.ready) Plotly.restyle(map.plot, { x: [places.x], y: [places.y] }, [0]);
    map.pictures.later();
    if (map.at != null) map.place(map.at);
    this.tell();
    if (!this.playing) map.draw();
  }

  move(at) {
    const { points } = this.map;
    const from = Math.min(Math.floor(at), points.frames.length - 1);
    const to = Math.min(from + 1, points.frames.length - 1);
    const share = at - from;
    const eased = share * share * (3 - 2 * share);
    ["x", "y"].forEach((axis, place) => {
      const [a, b] = [points.frames[from][place], points.frames[to][place]];
      points[axis] = a.map((value, row) => value + (b[row] - value) * eased);
    });
  }

  tell() {
    const { points } = this.map;
    const frame = Math.min(Math.round(this.at), points.frames.length - 1);
    this.slider.value = this.at;
    this.words.textContent = points.said[frame];
    this.slider.setAttribute("aria-valuetext", points.said[frame]);
    this.button.textContent = this.playing ? "❚❚" : "▶";
    this.button.setAttribute("aria-label", this.playing ? "Pause" : "Play");
    this.bar.dataset.frame = frame;
    this.bar.dataset.playing = this.playing ?? false;
  }
}
