// What a tooltip tells of a node or a link, and the panel in which a node or a link of it is seen, steered and broken.

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
    ["latency", p50 === undefined ? (figures.proxied ? "zmq.proxy passes them on unseen" : "") : `p50 ${seconds(p50)}, p99 ${seconds(p99)}`],
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

// A panel goes beside what it tells of, and not beyond what it lies in.
function putBeside(panel, root, place) {
  const width = panel.offsetWidth, height = panel.offsetHeight;
  const x = place.right + 10 + width < root.clientWidth ? place.right + 10 : place.left - 10 - width;
  panel.style.left = Math.max(6, Math.min(x, root.clientWidth - width - 6)) + "px";
  panel.style.top = Math.max(6, Math.min(place.top, root.clientHeight - height - 6)) + "px";
}

// A panel beside a node, for it or for one of its links.
//   act: {command(name, given, report), look(link), open(number), closed(node)}: `look` is asked for when a link is chosen, or -1
//     for the node, `open` for a message; a command reports by the callback that it is given.
class Inspector {
  constructor(root, menu, act) {
    this.root = root;
    this.act = act;
    this.link = -1;
    this.pause = make("button.zlab-button", { type: "button" }, "Pause");
    this.step = make("button.zlab-button", { type: "button", title: "Let one message move here, then stand (.)" }, "Step");
    this.kill = make("button.zlab-button", { type: "button" }, "Kill");
    this.restart = make("button.zlab-button", { type: "button" }, "Restart");
    this.shut = make("button.zlab-button.zlab-quiet", { type: "button", title: "Close (Esc)", "aria-label": "Close" }, "✕");
    this.title = make("span.zlab-inspected");
    this.target = make("select.zlab-pick", { "aria-label": "Node or link", title: "The node or one of its links: what is paused, stepped or broken" });
    this.state = make("div.zlab-soft");
    this.status = make("div.zlab-status", { role: "status" });
    this.trace = make("pre.zlab-trace", { tabIndex: 0, "aria-label": "Traceback" });
    this.facts = make("div.zlab-figures", { tabIndex: 0, role: "group", "aria-label": "Figures" });
    this.standing = make("div.zlab-soft.zlab-standing");
    this.lines = make("pre.zlab-lines", { tabIndex: 0, role: "group", "aria-label": "Source" });
    this.latest = new Latest((number) => act.open(number));
    this.source = make("div.zlab-source", { hidden: true }, this.standing, this.lines);
    this.code = make("div.zlab-code", {}, this.source, this.latest.root);
    const carry = (name, given) => act.command(name, given, (step, error) => this.report(name, step, error));
    this.breaking = new Breaking(menu, carry, this.target);
    this.panel = make("div.zlab-inspector", { role: "dialog", hidden: true },
      make("div.zlab-side", {}, make("div.zlab-row", {}, this.title, this.shut), this.target, this.state,
        make("div.zlab-row.zlab-acts", {}, this.pause, this.step, this.kill, this.restart), this.breaking.root, this.status, this.trace, this.facts), this.code);
    root.append(this.panel);
    const press = (button, command, place) => button.addEventListener("click", () => carry(command(), { [place]: this.target.value }));
    press(this.pause, () => (this.paused ? "resume" : "pause"), "where");
    press(this.step, () => "step", "where");
    press(this.kill, () => "kill", "node");
    press(this.restart, () => "restart", "node");
    this.shut.addEventListener("click", () => this.close());
    this.target.addEventListener("change", () => act.look(this.links.indexOf(this.target.value)));
    this.panel.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.close();
      event.stopPropagation();
      if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select")) return;
      const button = { " ": event.target.closest("button") ? null : this.pause, ".": this.step }[event.key];
      if (!button) return;
      event.preventDefault();
      if (!button.hidden) button.click(); // one that is disabled does nothing
    });
  }

  get open() { return !this.panel.hidden; }

  // A node as it stands, or the link of it that was chosen; without a link what was shown before.
  //   told: {figures, at, place, over}: what is known of it, and where its card is.
  show(scene, index, told, link = this.node === scene.graph.nodes[index] && this.open ? this.link : -1) {
    const { graph, faults } = scene, node = graph.nodes[index], look = scene.looks[index], { figures, at, over } = told, own = figures?.nodes[index];
    const fresh = this.node !== node || !this.open;
    this.node = node;
    if (fresh) {
      this.panel.hidden = false;
      this.status.textContent = "";
      this.stands(null);
      this.panel.setAttribute("aria-label", node.name);
    }
    if (fresh || link !== this.link) {
      this.latest.clear();
      this.aim(graph, index, link);
    }
    this.breaking.root.hidden = !graph.steerable;
    this.breaking.show(faults, graph, index, over);
    const one = graph.links[this.link];
    write(this.title, node.name);
    const dead = DEAD.has(look.state) && !one, held = this.panel.contains(document.activeElement);
    this.paused = one ? scene.paused.has(this.link) : look.state === "paused";
    write(this.state, one ? (this.paused ? "paused: its messages stand" : "this link") : stateOf(look, own, at));
    write(this.pause, this.paused ? "Resume" : "Pause");
    this.pause.title = `${this.paused ? "Resume" : "Pause"} ${this.target.value} (space)`;
    for (const button of [this.pause, this.step, this.kill, this.restart]) button.hidden = !graph.steerable;
    for (const button of [this.kill, this.restart]) button.hidden ||= Boolean(one);
    for (const button of [this.pause, this.step]) button.disabled = over || dead || !graph.steerable;
    this.kill.disabled = over || dead || !graph.steerable;
    this.restart.disabled = over || !dead || !graph.steerable;
    if (held && (document.activeElement.disabled || document.activeElement.hidden)) this.shut.focus({ preventScroll: true }); // else Esc goes nowhere
    this.trace.hidden = Boolean(one) || !own?.traceback;
    write(this.trace, own?.traceback ?? "");
    const facts = one ? tellLink(one, scene.live[this.link], figures?.links[this.link])
      : [...tellSockets(node, figures), ...tellLinks(graph, index, scene.live, figures)];
    if (facts.map((part) => part.textContent).join("") !== this.facts.textContent) this.facts.replaceChildren(...facts);
    this.place = told.place;
    this.put();
    if (fresh) [this.pause, this.restart, this.shut].find((button) => !button.disabled && !button.hidden).focus({ preventScroll: true });
  }

  // What can be chosen: the node and its links, each link once.
  aim(graph, index, link) {
    const { name } = graph.nodes[index], here = graph.links.filter((one) => one.source === index || one.target === index);
    this.links = graph.links.map((one) => one.name);
    this.link = link;
    this.target.replaceChildren(...[...new Set([name, ...here.map((one) => one.name)])].map((one) => make("option", { value: one }, one)));
    this.target.value = link < 0 ? name : graph.links[link].name;
  }

  // The last messages of what is shown; told by node and link.
  passed(last) {
    const told = this.open && last[`${this.node.name} ${this.link}`];
    if (!told) return;
    this.latest.show(told, this.node.name);
    this.put();
  }

  put() {
    putBeside(this.panel, this.root, this.place);
  }

  // The source of the node, and the line at which it stands now; null where that is not known, as in the past.
  stands(where) {
    if (where && where.node !== this.node?.name) return;
    const appears = this.source.hidden && where;
    this.source.hidden = !where;
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
    this.act.closed(this.node);
  }
}
