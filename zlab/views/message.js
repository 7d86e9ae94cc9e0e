// The message inspector: the frames of one message, its envelope and body told apart, and the hops of its journey.

const ROUTES = new Set(["identity", "envelope", "delimiter"]);
const CALM_FATES = new Set(["delivered", "under way", "filtered", "unknown"]);
const LINES = 3; // of a message, in a tooltip

function bytes(n) {
  return `${count(n)} byte${n === 1 ? "" : "s"}`;
}

function sized({ size, kept }) {
  return size === null ? `${count(kept)} or more bytes` : bytes(size) + (size > kept ? `, the first ${count(kept)} kept` : "");
}

// One frame, as a block; `brief` for a tooltip.
function tellFrame(frame, brief) {
  const text = frame.json ?? frame.text;
  const head = make("div.zlab-row", {}, make(ROUTES.has(frame.role) ? "b.zlab-routes" : "b", {}, frame.role), make("span.zlab-soft", {}, sized(frame)));
  const block = make("div.zlab-frame", {}, head);
  if (!frame.kept) return block;
  if (brief) {
    const shown = text ?? frame.hex;
    block.append(make("pre", {}, shown.split("\n").slice(0, 6).join("\n").slice(0, 400)));
    return block;
  }
  if (text !== null) block.append(make("pre", { tabIndex: 0 }, text));
  const hex = make("pre", { tabIndex: 0 }, frame.hex);
  block.append(text === null ? hex : make("details", {}, make("summary", {}, "hex"), hex));
  return block;
}

// Its frames: those that route it, then what it says.
function tellFrames(told, brief) {
  if (told.missing) return [make("div.zlab-soft", {}, told.missing)];
  const shown = brief ? told.frames.slice(0, LINES) : told.frames;
  const parts = shown.map((frame) => tellFrame(frame, brief));
  if (shown.length < told.frames.length) parts.push(make("div.zlab-soft", {}, `${told.frames.length - shown.length} more frames`));
  return parts;
}

function became({ fate, sent, received }) {
  return received === null ? fate : `${fate} after ${seconds(received - sent)}`;
}

// A panel on the stage that tells all of one message; go(number) is asked for when another hop is chosen.
class MessagePanel {
  constructor(root, go, closer, closed) {
    this.root = root;
    this.go = go;
    this.closed = closed;
    this.title = make("span.zlab-inspected");
    this.shut = make("button.zlab-button.zlab-quiet", { type: "button", title: "Close (Esc)", "aria-label": "Close" }, "✕");
    this.near = make("button.zlab-button", { type: "button", title: "Zoom to its journey (z)" }, "Zoom to it");
    this.facts = make("div");
    this.frames = make("div.zlab-frames", { role: "group", "aria-label": "Frames" });
    this.way = make("ol.zlab-way", { "aria-label": "Journey, hop by hop" });
    this.rest = make("div.zlab-figures", { tabIndex: 0, role: "group", "aria-label": "Message" }, this.facts, this.frames, this.way);
    this.panel = make("div.zlab-inspector.zlab-message", { role: "dialog", hidden: true },
      make("div.zlab-row", {}, this.title, make("span", {}, this.near, this.shut)), this.rest);
    root.append(this.panel);
    this.shut.addEventListener("click", () => this.close());
    this.near.addEventListener("click", closer);
    this.panel.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.close();
      event.stopPropagation();
    });
  }

  get open() { return !this.panel.hidden; }

  // What is known at once; its frames come with `show`.
  await(title, left) {
    write(this.title, title);
    this.panel.setAttribute("aria-label", title);
    this.panel.style.left = left ? "6px" : "";
    this.panel.style.right = left ? "" : "6px";
    this.panel.hidden = false;
  }

  show(told) {
    if (told.error) {
      this.facts.replaceChildren(make("div.zlab-soft", {}, told.error));
      this.frames.replaceChildren();
      this.way.replaceChildren();
      return;
    }
    const here = told.way.find((hop) => hop.number === told.number);
    this.facts.replaceChildren(definition([
      ["link", told.link], ["sent", `${here.sent.toFixed(6)} s after the start`], ["fate", became(here), !CALM_FATES.has(here.fate)],
      ["size", `${bytes(told.size)} in ${told.missing ? "frames that were not kept" : told.frames.length + (told.frames.length === 1 ? " frame" : " frames")}`],
      ["beware", told.ambiguous ? "others with the same body were under way: it may be one of those" : ""],
    ]));
    this.frames.replaceChildren(...tellFrames(told, false));
    const first = told.way[0].sent;
    this.way.replaceChildren(...told.way.map((hop) => {
      const button = make("button.zlab-hop", { type: "button", "aria-current": String(hop.number === told.number) },
        make("b", {}, `${hop.hop}`), make("span", {}, `${hop.from} → ${hop.to || "?"}`),
        make("span.zlab-soft", {}, `${hop.sent === first ? "" : "+" + seconds(hop.sent - first) + ", "}${became(hop)}`));
      button.addEventListener("click", () => this.go(hop.number));
      return make("li", {}, button);
    }));
  }

  focus() { this.shut.focus({ preventScroll: true }); }

  hide() { this.panel.hidden = true; }

  close() {
    if (!this.open) return;
    this.hide();
    this.closed();
  }
}
