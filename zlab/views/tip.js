// A tooltip: beside the pointer, and never beyond its stage.

class Tip {
  constructor() {
    this.root = make("div.zlab-tip", { hidden: true, role: "tooltip" });
  }

  hide() { this.root.hidden = true; }

  show(parts, x, y, width, height) {
    this.root.hidden = false;
    this.root.replaceChildren(...parts);
    const w = this.root.offsetWidth, h = this.root.offsetHeight;
    this.root.style.left = Math.max(4, x + 16 + w < width ? x + 16 : x - w - 12) + "px";
    this.root.style.top = Math.max(4, Math.min(y + 14, height - h - 4)) + "px";
  }
}
