// An image on which a rectangle is drawn, with the pointer or with the arrow keys; it is told when it stands still.

const STEP = 0.05;
const LEAST = 0.06;

function within([x0, y0, x1, y1]) {
  const inside = (value) => Math.min(1, Math.max(0, value));
  return [Math.min(x0, x1), Math.min(y0, y1), Math.max(x0, x1), Math.max(y0, y1)].map(inside);
}

class Cropper {
  constructor(root) {
    this.root = root;
    this.image = root.querySelector("img");
    this.frame = root.querySelector(".cr-box");
    root.onpointerdown = (event) => this.begin(event);
    root.onpointermove = (event) => this.from && this.draw([...this.from, ...this.at(event)]);
    root.onpointerup = (event) => this.end(event);
    root.onpointercancel = () => this.give(this.box);
    root.onkeydown = (event) => this.key(event);
  }

  update(data) {
    if (this.image.src !== data.uri) this.image.src = data.uri;
    this.image.alt = data.name;
    this.root.setAttribute("aria-label", `${data.name}. Draw a rectangle, or move one with the arrow keys and size it with Shift.`);
    this.box = data.box;
    this.draw(this.box);
  }

  at(event) {
    const { left, top, width, height } = this.root.getBoundingClientRect();
    return [(event.clientX - left) / width, (event.clientY - top) / height];
  }

  begin(event) {
    this.from = this.at(event);
    this.root.setPointerCapture(event.pointerId);
  }

  end(event) {
    if (!this.from) return;
    const box = within([...this.from, ...this.at(event)]);
    this.give(box[2] - box[0] < LEAST || box[3] - box[1] < LEAST ? this.box : box);
  }

  give(box) {
    this.from = null;
    this.draw(box);
    if (box && JSON.stringify(box) !== JSON.stringify(this.box)) {
      this.box = box;
      this.tell(box);
    }
  }

  draw(box) {
    this.frame.hidden = !box;
    if (!box) return;
    const [x0, y0, x1, y1] = within(box).map((value) => 100 * value);
    Object.assign(this.frame.style, { left: `${x0}%`, top: `${y0}%`, width: `${x1 - x0}%`, height: `${y1 - y0}%` });
  }

  key(event) {
    const move = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] }[event.key];
    if (!move) return;
    event.preventDefault();
    const [x0, y0, x1, y1] = this.box ?? [0.25, 0.25, 0.75, 0.75];
    const [dx, dy] = move;
    const next = event.shiftKey
      ? [x0, y0, Math.max(x0 + LEAST, Math.min(1, x1 + dx)), Math.max(y0 + LEAST, Math.min(1, y1 + dy))]
      : [x0 + dx, y0 + dy, x1 + dx, y1 + dy];
    if (next.every((value) => value >= -1e-9 && value <= 1 + 1e-9)) this.give(within(next));
  }
}

const croppers = new WeakMap();

export default function ({ parentElement, data, setTriggerValue }) {
  const root = parentElement.querySelector(".cr");
  if (!croppers.has(root)) croppers.set(root, new Cropper(root));
  const cropper = croppers.get(root);
  cropper.tell = (box) => setTriggerValue("drawn", box);
  cropper.update(data);
}
