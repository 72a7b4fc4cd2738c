// A round with its clock. The board of each task says what was answered; this one, when, and in how many seconds.

const KINDS = { rotation: Turn, jigsaw: Tiles, location: Places, exemplar: Patches };

class Play {
  constructor(root, data) {
    this.round = data.round;
    this.over = false;
    this.began = null;
    this.clock = part("span", "pb-clock", "0 s");
    this.clock.setAttribute("aria-hidden", "true");
    this.live = part("p", "pb-live");
    this.live.setAttribute("aria-live", "polite");
    this.button = part("button", "pb-done");
    this.button.onclick = () => this.finish();
    this.task = new KINDS[data.task](data, this);
    this.button.textContent = this.task.done;
    this.button.disabled = "chosen" in this.task;
    const bar = part("div", "pb-bar");
    bar.append(this.button, this.clock, part("span", "pb-hint", this.task.hint));
    root.replaceChildren(this.task.element, bar, this.live);
    root.dataset.task = data.task;
    root.dataset.state = "waiting";
    this.root = root;
    const pictures = [...root.querySelectorAll("img")].map((image) => image.decode().catch(() => {}));
    Promise.all(pictures).then(() => this.begin());
  }

  begin() {
    if (this.over) return;
    this.began = performance.now();
    this.ticking = setInterval(() => (this.clock.textContent = `${Math.floor(this.seconds())} s`), 200);
    this.root.dataset.state = "playing";
    this.task.first.focus({ preventScroll: true });
  }

  seconds() {
    return this.began === null ? 0 : (performance.now() - this.began) / 1000;
  }

  ready() {
    this.button.disabled = false;
  }

  say(words) {
    this.live.textContent = words;
  }

  finish() {
    if (this.over || this.button.disabled) return;
    const seconds = Math.round(100 * this.seconds()) / 100;
    this.end();
    this.clock.textContent = `${seconds.toFixed(1)} s`;
    this.button.disabled = true;
    this.root.dataset.state = "over";
    this.tell({ round: this.round, answer: this.task.answer(), seconds });
  }

  end() {
    this.over = true;
    clearInterval(this.ticking);
  }
}

const plays = new WeakMap();

export default function ({ parentElement, data, setTriggerValue }) {
  const root = parentElement.querySelector(".pb");
  let play = plays.get(root);
  if (!play || play.round !== data.round) {
    play?.end();
    play = new Play(root, data);
    plays.set(root, play);
  }
  play.tell = (word) => setTriggerValue("answered", word);
  return () => {
    play.end();
    plays.delete(root);
  };
}
