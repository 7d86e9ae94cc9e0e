// A button for each card, and for each lane of a closed group, for the keyboard and for screen readers; the pointer
// goes through it to the canvas.

//   act: {light(target), activate(item), sum(bundle), close(group), free()}; `free` says whether Escape is no one else's.
class Buttons {
  constructor(scene, act) {
    this.scene = scene;
    this.act = act;
    this.root = make("div.zlab-nodes", { role: "group", "aria-label": "Nodes and groups" });
  }

  get held() { return this.root.contains(document.activeElement); }

  focus(item) { this.root.children[item].focus({ preventScroll: true }); }

  focusSum(bundle) { this.sums[this.bundles.indexOf(bundle)]?.focus({ preventScroll: true }); }

  refold() {
    const { nodes, frames } = this.scene.fold;
    this.bundles = this.scene.sumsAt();
    this.cards = nodes.map((item, i) => this.stop({ item: i }, i ? -1 : 0, item, () => this.act.activate(i)));
    nodes.forEach((item, i) => { if (item.group >= 0) this.cards[i].setAttribute("aria-expanded", "false"); });
    this.sums = this.bundles.map((bundle) => this.stop({ bundle }, -1, {}, () => this.act.sum(bundle)));
    this.root.replaceChildren(...this.cards, ...frames.map((frame) => this.frame(frame)), ...this.sums);
  }

  // Where arrow keys stop.
  stop(target, tabIndex, item, act) {
    const button = make("button.zlab-node", { type: "button", tabIndex });
    button.addEventListener("focus", () => {
      this.act.light(target);
      for (const other of this.root.children) other.tabIndex = other === button ? 0 : -1;
    });
    button.addEventListener("blur", () => this.act.light(null));
    button.addEventListener("click", act);
    button.addEventListener("keydown", (event) => {
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      const closes = event.key === "Escape" && item.frame && this.act.free();
      if (!way && !closes) return;
      event.preventDefault();
      event.stopPropagation();
      if (closes) return this.act.close(item.frame.name);
      const stops = [...this.cards, ...this.sums], boxes = [...this.scene.boxes, ...this.bundles.map((bundle) => this.scene.middle(bundle))];
      stops[this.scene.next(boxes, stops.indexOf(button), way)]?.focus({ preventScroll: true });
    });
    return button;
  }

  frame({ name }) {
    const button = make("button.zlab-button.zlab-fold", { type: "button", title: "Close this group (Esc)", "aria-expanded": "true",
      "aria-label": `${name}, open: close this group` }, `${name}  ✕`);
    button.addEventListener("click", () => this.act.close(name));
    return button;
  }

  // Over the cards, as they lie on the stage.
  put(camera) {
    const { boxes, fold } = this.scene;
    [...boxes, ...fold.frames].forEach((box, i) => {
      const { left, top, width, height } = camera.place(box), button = this.root.children[i];
      button.style.left = left + "px"; // and no transform: each would be a layer's worth of work for every paint
      button.style.top = top + "px";
      if (i >= boxes.length) return;
      button.style.width = width + "px";
      button.style.height = height + "px";
      this.label(i);
    });
    this.sums.forEach((button, k) => {
      const { left, top } = camera.place(this.scene.middle(this.bundles[k]));
      Object.assign(button.style, { left: left - 60 + "px", top: top - 12 + "px", width: "120px", height: "24px" });
      const { name, links, endpoint } = this.scene.fold.links[this.bundles[k]];
      button.setAttribute("aria-label", `${count(links.length)} links, ${name} over ${endpoint}: tell their sum`);
    });
  }

  label(i) {
    const { fold, looks, broken } = this.scene, item = fold.nodes[i], button = this.root.children[i];
    const told = item.group < 0 ? `${item.name}, ${item.types}, ${looks[item.node].state}${broken.has(item.node) ? ", disturbed by a fault" : ""}`
      : `${item.name}, group of ${item.members.length} nodes, ${this.scene.states(item).map(([state, n]) => `${n} ${state}`).join(", ")}`;
    if (button.getAttribute("aria-label") !== told) button.setAttribute("aria-label", told);
  }
}
