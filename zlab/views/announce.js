// What a screen reader is told: what became of the nodes, a sentence at a time, and never what merely flickers.

const CALM_SECONDS = 2;

class Announcer {
  constructor() {
    this.region = make("div.zlab-spoken", { role: "status", "aria-live": "polite" });
    this.news = new Map(); // state to the names of those that entered it
    this.timer = 0;
  }

  node(name, state) {
    for (const names of this.news.values()) names.delete(name); // only the latest counts
    if (!this.news.has(state)) this.news.set(state, new Set());
    this.news.get(state).add(name);
    this.soon();
  }

  lab(word) {
    this.word = word;
    this.soon();
  }

  soon() {
    this.timer ||= setTimeout(() => this.say(), 1000 * CALM_SECONDS);
  }

  say() {
    this.timer = 0;
    const parts = [...this.news].filter(([, names]) => names.size)
      .map(([state, names]) => (names.size > 3 ? `${names.size} nodes ${state}` : `${[...names].join(", ")} ${state}`));
    if (this.word) parts.unshift(`lab ${this.word}`);
    this.news.clear();
    this.word = "";
    if (parts.length) this.region.textContent = parts.join("; ");
  }

  dispose() { clearTimeout(this.timer); }
}
