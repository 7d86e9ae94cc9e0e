// The last messages of a node, or of one of its links: each opens the message inspector.

class Latest {
  // open(number) is asked for when one is chosen.
  constructor(open) {
    this.open = open;
    this.list = make("ol.zlab-latest", { "aria-label": "Last messages" });
    this.note = make("div.zlab-soft");
    this.root = make("div.zlab-lasts", { hidden: true }, make("b", {}, "Last messages"), this.list, this.note);
    this.rows = new Map(); // by number, so that one that stays keeps the keyboard
    this.clear();
  }

  clear() {
    this.told = null;
    this.root.hidden = true;
  }

  // While somebody points at them they stand still: what is to be clicked must not move away.
  get held() { return this.list.matches(":hover") || this.list.contains(document.activeElement); }

  show(told, node) {
    if (this.told && this.held) return;
    this.told = told;
    this.root.hidden = false;
    const rows = new Map(told.hops.map((hop) => [hop.number, this.row(hop, node)]));
    this.rows = rows;
    this.list.replaceChildren(...rows.values());
    write(this.note, told.note || (told.hops.length ? "" : "none has been traced"));
  }

  row(hop, node) {
    const sends = hop.from.slice(0, hop.from.lastIndexOf(".")) === node, peer = sends ? hop.to : hop.from;
    const button = make("button.zlab-hop", { type: "button", title: "Tell all of this message, and follow it" }, make("span", {}, mark(hop.kind), `${sends ? "→" : "←"} ${peer.slice(0, peer.lastIndexOf(".")) || "?"}`),
      make("span.zlab-said", {}, hop.said), make("span.zlab-soft", {}, `${hop.sent.toFixed(3)} s${hop.fate === "delivered" ? "" : ", " + hop.fate}`));
    button.addEventListener("click", () => this.open(hop.number));
    return make("li", {}, button);
  }
}
