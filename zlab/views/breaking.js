// Breaking things by mouse: the part of the inspector that offers faults, and lists those that are on.

const BOLT = [[1.2, -5], [-3.4, 0.9], [-0.5, 0.9], [-1.2, 5], [3.4, -1.1], [0.5, -1.1]];

// A fault's mark: a bolt in a disc, so that it is told without colour.
function drawBolt(g, x, y, r, style) {
  g.beginPath();
  g.arc(x, y, r, 0, 7);
  g.fillStyle = style.amber;
  g.fill();
  g.lineWidth = 1.5;
  g.strokeStyle = style.card;
  g.stroke();
  g.beginPath();
  for (const [dx, dy] of BOLT) g.lineTo(x + dx * r / 7, y + dy * r / 7);
  g.closePath();
  g.fillStyle = style.card;
  g.fill();
}

// act(name, given) carries out a command, and reports in the inspector; what is broken is what is chosen as `target`.
class Breaking {
  constructor(menu, act, target) {
    this.menu = new Map(menu.map(([name, setting, value]) => [name, { setting, value }]));
    this.target = target;
    this.fault = make("select.zlab-pick", { "aria-label": "Fault" }, ...menu.map(([name]) => make("option", { value: name }, name)));
    this.value = make("input.zlab-pick.zlab-setting");
    this.unit = make("span.zlab-soft");
    this.go = make("button.zlab-button", { type: "button" }, "Break");
    this.on = make("div.zlab-faults", { role: "group", "aria-label": "Faults that are on" });
    this.setting = make("label.zlab-row", {}, this.value, this.unit);
    this.root = make("div.zlab-breaking", {}, this.on, make("div.zlab-row", {}, this.fault, this.setting, this.go));
    this.fault.addEventListener("change", () => this.choose());
    const go = () => act("fault", { target: this.target.value, fault: this.fault.value, value: this.value.value });
    this.go.addEventListener("click", go);
    this.value.addEventListener("keydown", (event) => { if (event.key === "Enter") go(); });
    this.end = (number) => act("end", { number });
    this.choose();
  }

  choose() {
    const { setting, value } = this.menu.get(this.fault.value);
    this.setting.hidden = !setting;
    this.setting.classList.toggle("zlab-worded", typeof value !== "number");
    this.value.value = value;
    this.value.inputMode = typeof value === "number" ? "decimal" : "text";
    this.value.setAttribute("aria-label", setting);
    write(this.unit, setting);
  }

  // The faults that are on there, each with the button that ends it.
  show(faults, graph, index, off) {
    this.fault.disabled = this.value.disabled = this.go.disabled = off;
    const mine = faults.filter(([, , , nodes, links]) => nodes.includes(index)
      || links.some((i) => graph.links[i].source === index || graph.links[i].target === index));
    const key = JSON.stringify([mine, off]);
    if (key === this.key) return;
    this.key = key;
    this.on.replaceChildren(...mine.map(([number, told, target]) => {
      const end = make("button.zlab-button.zlab-quiet", { type: "button", title: "End this fault", "aria-label": `End ${told} on ${target}`, disabled: off }, "✕");
      end.addEventListener("click", () => this.end(number));
      return make("div.zlab-row", {}, make("span", {}, `⚡ ${told}`, make("span.zlab-soft", {}, ` on ${target}`)), end);
    }));
  }
}
