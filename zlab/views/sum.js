// The panel of links that are drawn as one: their sum, and each of them to be chosen.

//   act: {choose(link), closed(bundle)}: `choose` is asked for when one of the links is.
class Sum {
  constructor(root, act) {
    this.root = root;
    this.act = act;
    this.shut = make("button.zlab-button.zlab-quiet", { type: "button", title: "Close (Esc)", "aria-label": "Close" }, "✕");
    this.title = make("span.zlab-inspected");
    this.each = make("select.zlab-pick", { "aria-label": "One of these links", title: "One of these links: its own figures, to be paused, stepped or broken" });
    this.facts = make("div.zlab-figures", { tabIndex: 0, role: "group", "aria-label": "Figures" });
    this.panel = make("div.zlab-inspector", { role: "dialog", hidden: true },
      make("div.zlab-side", {}, make("div.zlab-row", {}, this.title, this.shut), this.each, this.facts));
    root.append(this.panel);
    this.shut.addEventListener("click", () => this.close());
    this.each.addEventListener("change", () => act.choose(Number(this.each.value)));
    this.panel.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.close();
      event.stopPropagation();
    });
  }

  get open() { return !this.panel.hidden; }

  //   told: {figures, place}: what is known of all links, and where the middle of the lane is.
  show(scene, bundle, { figures, place }) {
    const { name, links } = scene.fold.links[bundle], fresh = !this.open || this.bundle !== bundle;
    this.bundle = bundle;
    if (fresh) {
      this.panel.hidden = false;
      this.panel.setAttribute("aria-label", name);
      write(this.title, name);
      const all = make("option", { value: -1 }, `All ${count(links.length)} links`);
      this.each.replaceChildren(all, ...links.map((i) => make("option", { value: i }, scene.graph.links[i].name)));
    }
    const facts = tellBundle(scene, bundle, figures).slice(1); // its name stands above
    if (fresh || facts.map((part) => part.textContent).join("") !== this.facts.textContent) this.facts.replaceChildren(...facts);
    putBeside(this.panel, this.root, place);
    if (fresh) this.shut.focus({ preventScroll: true });
  }

  close() {
    if (!this.open) return;
    this.panel.hidden = true;
    this.act.closed(this.bundle);
  }
}
