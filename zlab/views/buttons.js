// A button for each card, for the keyboard and for screen readers; the pointer goes through it to the canvas.

//   act: {light(target), activate(item), close(group), free()}; `free` says whether Escape is no one else's.
class Buttons {
  constructor(scene, act) {
    this.scene = scene;
    this.act = act;
    this.root = make("div.zlab-nodes", { role: "group", "aria-label": "Nodes" });
  }

  get held() { return this.root.contains(document.activeElement); }

  focus(item) { this.root.children[item].focus({ preventScroll: true }); }

  refold() {
    const { nodes, frames } = this.scene.fold;
    this.root.replaceChildren(...nodes.map((item, i) => this.card(item, i)), ...frames.map((frame) => this.frame(frame)));
  }

  card(item, i) {
    const button = make("button.zlab-node", { type: "button", tabIndex: i ? -1 : 0 });
    if (item.group >= 0) button.setAttribute("aria-expanded", "false");
    button.addEventListener("focus", () => {
      this.act.light({ item: i });
      for (const other of this.root.children) other.tabIndex = other === button ? 0 : -1;
    });
    button.addEventListener("blur", () => this.act.light(null));
    button.addEventListener("click", () => this.act.activate(i));
    button.addEventListener("keydown", (event) => {
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      const closes = event.key === "Escape" && item.frame && this.act.free();
      if (!way && !closes) return;
      event.preventDefault();
      event.stopPropagation();
      if (closes) return this.act.close(item.frame.name);
      const next = this.scene.next(i, way);
      if (next >= 0) this.focus(next);
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
  }

  label(i) {
    const { fold, looks, broken } = this.scene, item = fold.nodes[i], button = this.root.children[i];
    const told = item.group < 0 ? `${item.name}, ${item.types}, ${looks[item.node].state}${broken.has(item.node) ? ", disturbed by a fault" : ""}`
      : `${item.name}, group of ${item.members.length} nodes, ${this.scene.states(item).map(([state, n]) => `${n} ${state}`).join(", ")}`;
    if (button.getAttribute("aria-label") !== told) button.setAttribute("aria-label", told);
  }
}
