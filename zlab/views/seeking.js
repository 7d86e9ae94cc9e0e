// Searching messages: what is known in the browser at once, what stands in their frames once Python has looked.

//   act: {find(text), chosen(), choose(place), escape(), redraw()}; `find` asks Python.
class Seeking {
  constructor(arrows, lab, spoken, act) {
    this.arrows = arrows;
    this.lab = lab;
    this.spoken = spoken;
    this.act = act;
    this.wanted = "";
    this.found = null; // what Python has answered
    this.timer = 0;
    this.box = make("input.zlab-search", { type: "search", placeholder: "Search: topic, node, text, 0x hex", "aria-label": "Search messages by topic, node, or text in their frames" });
    this.hits = make("span.zlab-soft", { role: "status" });
    this.box.addEventListener("input", () => { clearTimeout(this.timer); this.timer = setTimeout(() => this.seek(), 200); });
    this.box.addEventListener("keydown", (event) => this.press(event));
  }

  press(event) {
    if (event.key === "Enter") {
      event.preventDefault();
      if (this.box.value.trim() !== this.wanted) this.seek();
      this.next(event.shiftKey ? -1 : 1);
    } else if (event.key === "Escape") {
      this.box.value = "";
      this.seek();
      this.act.escape();
    }
    event.stopPropagation();
  }

  seek() {
    this.wanted = this.box.value.trim();
    this.found = null;
    this.arrows.found.fill(0);
    this.look(0);
    this.act.find(this.wanted);
    this.act.redraw();
  }

  // What is known here, from a place on: topics, nodes and how a message begins.
  look(from) {
    if (!this.wanted) return;
    const { arrows, lab } = this, text = this.wanted.toLowerCase(), has = (word) => word.toLowerCase().includes(text);
    const kinds = lab.kinds.map(has), sockets = lab.sockets.map(has), fates = lab.fates.map((fate, i) => i > DELIVERED && has(fate));
    for (let i = from; i < arrows.count; i++) {
      if (kinds[arrows.kind[i]] || sockets[arrows.sender[i]] || sockets[arrows.receiver[i]] || fates[arrows.fate[i]] || (arrows.said[i] && has(arrows.said[i]))) arrows.found[i] = 1;
    }
  }

  // Python has found it in the frames of this one.
  hit(number) {
    const i = this.arrows.place(number);
    if (i >= 0) this.arrows.found[i] = 1;
  }

  answered(answer) {
    if (answer.text !== this.wanted) return;
    this.found = answer;
    for (const number of answer.found) this.hit(number);
    this.act.redraw();
  }

  tell() {
    const { arrows, found } = this;
    if (!this.wanted) return write(this.hits, "");
    let n = 0;
    for (let i = 0; i < arrows.count; i++) n += arrows.found[i];
    const searched = found && found.searched + found.bare;
    const frames = !found ? "; searching the frames …" : [searched < arrows.count - 1 && `; the frames of the last ${count(searched)} were searched`,
      found.bare && `; of ${count(found.bare)} they were not kept`].filter(Boolean).join("");
    write(this.hits, `${count(n)} found${frames}`);
  }

  // Go to the next one that is found, or back.
  next(way) {
    const { arrows } = this, chosen = this.act.chosen();
    for (let i = (chosen < 0 ? (way > 0 ? -1 : arrows.count) : chosen) + way; i >= 0 && i < arrows.count; i += way) {
      if (arrows.found[i]) return this.act.choose(i);
    }
    write(this.spoken, "no other is found");
  }

  dispose() { clearTimeout(this.timer); }
}
