// What a person does on the board. It is shown at once and told to the server, which may be behind by a few words.

class Acts {
  constructor() {
    this.client = Math.random().toString(36).slice(2);
    this.waiting = []; // told and not yet confirmed
    this.number = 0;
    this.last = 0;
  }

  add(act) {
    this.number += 1;
    this.waiting.push({ n: this.number, ...act });
    this.tell();
  }

  tell() {
    this.last = performance.now();
    this.send({ client: this.client, acts: this.waiting });
  }

  // Forget what the server has heard; what it should have heard by now is told again.
  heard(known) {
    const heard = known[this.client] ?? 0;
    this.waiting = this.waiting.filter((act) => act.n > heard);
    if (this.waiting.length && performance.now() - this.last > 3000) this.tell();
  }

  // What the latest unconfirmed act makes of an image: a name, null for none, undefined for nothing.
  nameOf(id) {
    for (const act of this.waiting.toReversed()) {
      if (act.kind === "undo") return undefined;
      if (act.ids?.includes(id)) return act.kind === "name" ? act.name : null;
    }
    return undefined;
  }
}

const folded = (name) => name.normalize("NFKC").toLowerCase();
