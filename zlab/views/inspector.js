// What a tooltip tells of a node or a link, and the small panel in which a node is paused, stepped, killed or restarted.

const DEAD = new Set(["killed", "failed", "finished", "stopped"]);

// A socket's type, and what it subscribes to.
function described(socket) {
  return socket.type + (socket.topics.length ? " " + socket.topics.map((topic) => topic || "everything").join(", ") : "");
}

function tellNode(node, look, figures, at) {
  const own = figures?.nodes[node.index];
  return [make("strong", {}, node.name), make("span.zlab-soft", {}, " " + stateOf(look, own, at)), ...tellSockets(node, figures)];
}

function tellSockets(node, figures) {
  const own = figures?.nodes[node.index], parts = [], facts = [];
  for (const [name, value] of Object.entries(own?.knobs ?? {})) {
    facts.push([name, value === "inf" ? "no limit" : name === "rate" ? rate(value) : count(value) + " bytes"]);
  }
  if (facts.length) parts.push(definition(facts));
  for (const socket of node.sockets) {
    const told = figures?.sockets[`${node.name}.${socket.name}`];
    const how = [socket.binds.length && "binds " + socket.binds.join(", "),
      socket.connects.length && "connects to " + socket.connects.join(", ")].filter(Boolean).join("; ");
    parts.push(make("div.zlab-socket", {}, make("b", {}, socket.type), " " + socket.name, make("span.zlab-soft", {}, " " + how)));
    if (told) {
      parts.push(definition([
        ["sent", told.sent && `${count(told.sent)}, ${rate(told.out)}`],
        ["received", told.received && `${count(told.received)}, ${rate(told.in)}`],
        ["refused", told.refused && count(told.refused)],
        ["at", told.urls.join(" ")],
        ["options", Object.entries(told.options).map(([k, v]) => `${k}=${v}`).join(", ")],
      ].map(([term, text]) => [term, text || ""])));
    }
  }
  return parts;
}

function stateOf(look, own, at) {
  const where = own?.on && look.state.startsWith("blocked") ? ` on ${own.on}` : "";
  const held = own ? at - own.since : 0;
  return look.state + where + (held >= 1 ? ` for ${seconds(Math.round(held))}` : "");
}

function tellLink(link, live, figures) {
  const parts = [make("strong", {}, link.name), make("span.zlab-soft", {}, ` over ${link.endpoint}`)];
  if (!figures) return parts;
  const [p50, p99] = figures.latency ?? [];
  const limit = figures.capacity ? ` of ${count(figures.capacity)}` : "";
  parts.push(definition([
    ["rate", rate(live.rate)],
    ["expected", count(figures.expected) + (figures.uncertain ? ` ±${count(figures.uncertain)}` : "")],
    ["delivered", count(figures.delivered)],
    ["queued", count(live.queued) + limit],
    ["dropped", reasons(figures.dropped)],
    ["lost", reasons(figures.lost)],
    ["duplicated", figures.duplicated ? `${count(figures.duplicated)}, by a fault` : ""],
    ["filtered", figures.filtered ? `${count(figures.filtered)}, not subscribed to` : ""],
    ["unaccounted", figures.unaccounted ? count(figures.unaccounted) : "0 ✓", figures.unaccounted !== 0],
    ["latency", p50 === undefined ? "" : `p50 ${seconds(p50)}, p99 ${seconds(p99)}`],
  ]));
  return [...parts, ...tellConnection(figures.connection)];
}

// How a link came about: when it began, and how long each stage took after the one before.
function tellConnection(connection) {
  if (!connection) return [];
  const { stage, number, times, retries, reason } = connection, rows = [];
  let before = null;
  for (const [name, at] of Object.entries(times).sort(([, a], [, b]) => a - b)) {
    rows.push([name, before === null ? `${at.toFixed(3)} s after the start` : `${at.toFixed(3)} s, after ${seconds(at - before)}`]);
    before = at;
  }
  rows.push(["retries", retries ? count(retries) : ""], ["because", reason]);
  return [make("div.zlab-socket", {}, make("b", {}, number > 1 ? `Connection ${number}` : "Connection"), make("span.zlab-soft", {}, ` ${stage}`)), definition(rows)];
}

// The links of a node, a line each.
function tellLinks(graph, index, live, figures) {
  const rows = [];
  graph.links.forEach((link, i) => {
    if (link.source !== index && link.target !== index) return;
    const told = figures?.links[i], sum = (why) => Object.values(why).reduce((a, b) => a + b, 0);
    const peer = graph.nodes[link.source === index ? link.target : link.source].name;
    rows.push([`${link.source === index ? "→" : "←"} ${peer}`, [rate(live[i].rate), `${count(live[i].queued)} queued`,
      ...(told ? [`${count(told.delivered)} delivered`, sum(told.dropped) && `dropped: ${reasons(told.dropped)}`,
        sum(told.lost) && `lost: ${reasons(told.lost)}`, told.unaccounted && `${count(told.unaccounted)} unaccounted`,
        told.latency && `p50 ${seconds(told.latency[0])}`] : []),
    ].filter(Boolean).map((part) => part.replaceAll(" ", "\u00a0")).join(", ")]); // a figure keeps its unit
  });
  if (!rows.length) return [];
  return [make("div.zlab-socket", {}, make("b", {}, "Links")), definition(rows)];
}

// A panel beside a node; act(name, given, report) carries out a command and reports by the callback that it is given.
class Inspector {
  constructor(root, menu, act, closed) {
    this.root = root;
    this.closed = closed;
    this.pause = make("button.zlab-button", { type: "button" }, "Pause");
    this.step = make("button.zlab-button", { type: "button", title: "Let one message move here, then stand" }, "Step");
    this.kill = make("button.zlab-button", { type: "button" }, "Kill");
    this.restart = make("button.zlab-button", { type: "button" }, "Restart");
    this.shut = make("button.zlab-button.zlab-quiet", { type: "button", title: "Close (Esc)", "aria-label": "Close" }, "✕");
    this.title = make("span.zlab-inspected");
    this.state = make("div.zlab-soft");
    this.status = make("div.zlab-status", { role: "status" });
    this.trace = make("pre.zlab-trace", { tabIndex: 0, "aria-label": "Traceback" });
    this.facts = make("div.zlab-figures", { tabIndex: 0, role: "group", "aria-label": "Figures" });
    this.standing = make("div.zlab-soft.zlab-standing");
    this.lines = make("pre.zlab-lines", { tabIndex: 0, role: "group", "aria-label": "Source" });
    this.code = make("div.zlab-code", { hidden: true }, this.standing, this.lines);
    const carry = (name, given) => act(name, given, (step, error) => this.report(name, step, error));
    this.breaking = new Breaking(menu, carry);
    this.panel = make("div.zlab-inspector", { role: "dialog", hidden: true },
      make("div.zlab-side", {}, make("div.zlab-row", {}, this.title, this.shut), this.state,
        make("div.zlab-row.zlab-acts", {}, this.pause, this.step, this.kill, this.restart), this.breaking.root, this.status, this.trace, this.facts), this.code);
    root.append(this.panel);
    const press = (button, command, place) => button.addEventListener("click", () => carry(command(), { [place]: this.node.name }));
    press(this.pause, () => (this.paused ? "resume" : "pause"), "where");
    press(this.step, () => "step", "where");
    press(this.kill, () => "kill", "node");
    press(this.restart, () => "restart", "node");
    this.shut.addEventListener("click", () => this.close());
    this.panel.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.close();
      event.stopPropagation();
    });
  }

  get open() { return !this.panel.hidden; }

  show(graph, index, look, live, figures, at, place, over, faults, link = -1) {
    const node = graph.nodes[index], own = figures?.nodes[index];
    const fresh = this.node !== node || !this.open;
    this.node = node;
    if (fresh) {
      this.panel.hidden = false;
      this.status.textContent = "";
      this.stands(null);
      this.panel.setAttribute("aria-label", node.name);
    }
    if (fresh || link >= 0) this.breaking.aim(graph, index, link);
    this.breaking.root.hidden = !graph.steerable;
    this.breaking.show(faults, graph, index, over);
    write(this.title, node.name);
    write(this.state, stateOf(look, own, at));
    const dead = DEAD.has(look.state), held = this.panel.contains(document.activeElement);
    this.paused = look.state === "paused";
    write(this.pause, this.paused ? "Resume" : "Pause");
    for (const button of [this.pause, this.step, this.kill, this.restart]) button.hidden = !graph.steerable;
    for (const button of [this.pause, this.step]) button.disabled = over || dead || !graph.steerable;
    this.kill.disabled = over || dead || !graph.steerable;
    this.restart.disabled = over || !dead || !graph.steerable;
    if (held && document.activeElement.disabled) this.shut.focus({ preventScroll: true }); // else Esc goes nowhere
    this.trace.hidden = !own?.traceback;
    write(this.trace, own?.traceback ?? "");
    const facts = [...tellSockets(node, figures), ...tellLinks(graph, index, live, figures)];
    if (facts.map((part) => part.textContent).join("") !== this.facts.textContent) this.facts.replaceChildren(...facts);
    this.place = place;
    this.put();
    if (fresh) [this.pause, this.restart, this.shut].find((button) => !button.disabled && !button.hidden).focus({ preventScroll: true });
  }

  put() {
    const { place } = this, width = this.panel.offsetWidth, height = this.panel.offsetHeight;
    const x = place.right + 10 + width < this.root.clientWidth ? place.right + 10 : place.left - 10 - width;
    this.panel.style.left = Math.max(6, Math.min(x, this.root.clientWidth - width - 6)) + "px";
    this.panel.style.top = Math.max(6, Math.min(place.top, this.root.clientHeight - height - 6)) + "px";
  }

  // The source of the node, and the line at which it stands now; null where that is not known, as in the past.
  stands(where) {
    if (where && where.node !== this.node?.name) return;
    const appears = this.code.hidden && where;
    this.code.hidden = !where;
    if (!where) return;
    const file = where.file.split("/").slice(-2).join("/").replace(/^ipykernel_\d+\/\d+\.py$/, "a cell");
    write(this.standing, [where.line ? `${where.function}(), line ${where.line} of ${file}` : "", where.note].filter(Boolean).join("; "));
    this.standing.title = where.file;
    if (where.source) {
      this.lines.replaceChildren(...where.source.map(([number, text]) => make("div", { "data-line": number }, make("i", {}, String(number)), text || " ")));
      this.lines.hidden = !where.source.length;
    }
    for (const row of this.lines.children) {
      const now = Number(row.dataset.line) === where.line;
      if (now === row.classList.contains("zlab-now")) continue;
      row.classList.toggle("zlab-now", now);
      if (!now) row.removeAttribute("aria-current");
      else row.setAttribute("aria-current", "true");
      const { offsetTop: top, offsetHeight: high } = row, { scrollTop, clientHeight } = this.lines;
      if (now && (top < scrollTop || top + high > scrollTop + clientHeight)) this.lines.scrollTop = top - clientHeight / 2;
    }
    if (appears && this.open) this.put();
  }

  report(name, step, error) {
    const words = { sent: "", heard: `${name} …`, queued: "queued: the kernel is busy", done: "", failed: error };
    write(this.status, words[step] ?? "");
    this.status.classList.toggle("zlab-error", step === "failed" && !error.startsWith("step: ")); // nothing came to move: no error
  }

  close() {
    if (!this.open) return;
    this.panel.hidden = true;
    this.closed(this.node);
  }
}
