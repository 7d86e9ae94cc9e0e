// What every view shares: it tells Python when it is ready, on screen, or gone; commands; figures in words.

const SUFFIXES = ["", "k", "M", "G"];
const EXACT = new Intl.NumberFormat("en");

// Exact, so that rows can be compared and added up.
function count(n) {
  return n >= 0 && n < 1000 && Number.isInteger(n) ? String(n) : EXACT.format(Number.isInteger(n) ? n : Number(n.toFixed(1)));
}

// Where there is no room for all digits.
function brief(n) {
  if (Math.abs(n) < 100000) return count(n);
  let i = 0;
  for (; Math.abs(n) >= 1000 && i < 3; i++) n /= 1000;
  return Number(n.toPrecision(3)) + SUFFIXES[i];
}

function rate(n) {
  let i = 0;
  for (; n >= 1000 && i < 3; i++) n /= 1000;
  return Number(n.toPrecision(3)) + SUFFIXES[i] + " /s";
}

function seconds(s) {
  if (s >= 1) return Number(s.toPrecision(3)) + " s";
  if (s >= 1e-3) return Number((s * 1e3).toPrecision(3)) + " ms";
  return Number((s * 1e6).toPrecision(3)) + " µs";
}

function reasons(why) {
  return Object.entries(why).map(([reason, n]) => `${count(n)} ${reason}`).join(", ");
}

// Make an element: tag.class, properties, children.
function make(tag, properties = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const element = document.createElement(name);
  element.className = classes.join(" ");
  for (const [key, value] of Object.entries(properties)) {
    if (key in element) element[key] = value;
    else element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

// Facts, a line each: [term, text, whether it is alarming]; without a text there is no line.
function definition(rows) {
  const list = make("dl.zlab-facts");
  for (const [term, text, loud] of rows) {
    if (text === "" || text === undefined || text === null) continue;
    list.append(make("dt", {}, term), make(loud ? "dd.zlab-loud" : "dd", {}, String(text)));
  }
  return list;
}

// The colour of a kind of message, as it stands in legends and tables.
function mark(kind) {
  const dot = make("i.zlab-mark", { "aria-hidden": "true" });
  dot.style.background = `var(--z-kind-${kind % PALETTE.light.kinds.length})`;
  return dot;
}

function json(buffer) {
  return JSON.parse(new TextDecoder().decode(buffer));
}

// Write only what differs: a table that is rewritten loses its selection and costs a layout.
function write(element, text) {
  const only = element.firstChild;
  if (only && !only.nextSibling && only.nodeType === 3) {
    if (only.data !== text) only.data = text;
  } else if (element.textContent !== text) element.textContent = text;
}

const ANSWERED = 700; // milliseconds

// A page that is loaded again says no good-bye: Python knows by these that its earlier views are gone.
const random = () => Math.random().toString(36).slice(2);
const LOAD = (globalThis.zlabLoad ??= random());
function page() {
  try {
    return (sessionStorage.zlabPage ??= random());
  } catch {
    return LOAD; // no storage in a sandbox
  }
}

// Connect a view to its Python half.
//   on.message(content, buffers): "full" or "tick"; on.visible(on); on.lost(): the kernel is gone;
//   on.calm: whether its words may wait for those of other views, a fraction of a second;
//   on.last: whether Python must hear that it was closed with its notebook.
// Returns {send, command(name, given, control), dispose}.
function attach({ model, el, signal }, on) {
  const id = `${page()} ${LOAD} ${random()}`;
  const waiting = new Map(); // command number to what waits for it
  let commands = 0;
  let notebook = null;
  let visible = false;
  let intersecting = false;
  let told = null;
  let timer = 0;
  let over = false;
  let kernel = null;
  let comm = "";

  el.classList.add("zlab-view");
  el.dataset.lmSuppressShortcuts = "true"; // JupyterLab's own: "0 0" restarts the kernel, space scrolls

  const send = (content) => {
    try {
      model.send({ v: id, ...content });
    } catch {
      lose(); // its connection is closed: the kernel was started again
    }
  };

  let lost = false;
  function lose() {
    if (lost) return;
    lost = true;
    on.lost?.();
  }

  function tell() {
    clearTimeout(timer);
    visible = intersecting && !document.hidden;
    on.visible?.(visible);
    if (visible === told) return;
    // Scrolling past is no reason to write: leaving is told late, coming back at once.
    timer = setTimeout(() => {
      told = visible;
      send({ t: "visible", on: visible });
    }, visible ? 0 : 400);
  }

  const observer = new IntersectionObserver((entries) => {
    intersecting = entries[entries.length - 1].isIntersecting;
    notebook ??= el.closest(".jp-Notebook");
    if (told === null) {
      told = visible = intersecting && !document.hidden;
      send({ t: "ready", on: visible });
      on.visible?.(visible);
    } else tell();
  });
  observer.observe(el);
  document.addEventListener("visibilitychange", tell);

  // A click beside this view gives the keyboard back to the notebook: JupyterLab takes it only from where nobody is.
  const leave = (event) => {
    if (!el.contains(event.target) && el.contains(document.activeElement)) document.activeElement.blur();
  };
  document.addEventListener("pointerdown", leave, true);

  function command(name, given, control) {
    const number = ++commands;
    const entry = { control, timer: 0 };
    entry.timer = setTimeout(() => control?.("queued"), 400);
    waiting.set(number, entry);
    control?.("sent");
    send({ t: "do", n: number, name, given });
  }

  function receive(content, buffers) {
    const entry = waiting.get(content.c);
    if (content.t === "heard" && entry) {
      clearTimeout(entry.timer);
      entry.control?.("heard");
    } else if (content.t === "done" && entry) {
      clearTimeout(entry.timer);
      waiting.delete(content.c);
      entry.control?.(content.error ? "failed" : "done", content.error);
    } else if (content.t === "full" || content.t === "tick") {
      comm = content.comm ?? comm;
      kernel = model.widget_manager?.kernel ?? kernel;
      if (content.a) answer(model, comm, id, content.n);
      if (!on.calm) on.message(content, buffers);
      else FRAMES.write(() => { if (!over) on.message(content, buffers); });
    }
  }
  model.on("msg:custom", receive);

  model.on("comm_live_update", lose);

  // `closed`: with its notebook. JupyterLab takes a closed notebook out of the page before its outputs, and its
  // connection to the kernel with it; an output that is cleared or run again leaves a notebook that is still there.
  function dispose() {
    if (over) return;
    over = true;
    clearTimeout(timer);
    observer.disconnect();
    document.removeEventListener("visibilitychange", tell);
    document.removeEventListener("pointerdown", leave, true);
    model.off("msg:custom", receive);
    model.off("comm_live_update", lose);
    const closed = notebook !== null && !notebook.isConnected;
    if (!closed) send({ t: "gone", closed });
    else if (on.last) sayLast(kernel, comm, { v: id, t: "gone", closed });
  }

  signal?.addEventListener("abort", dispose);

  return { id, send, command, dispose, shown: () => visible };
}

// Each message to a kernel makes it busy for a moment, and JupyterLab shows that: what has been taken in is answered for
// all views of a kernel together.
const ANSWERS = (globalThis.zlabAnswers ??= new Map()); // from their widget manager to [comm, view, number] of each
function answer(model, comm, id, number) {
  const kernel = model.widget_manager, waiting = ANSWERS.get(kernel) ?? [];
  waiting.push([comm, id, number]);
  if (waiting.length > 1) return;
  ANSWERS.set(kernel, waiting);
  setTimeout(() => {
    ANSWERS.delete(kernel);
    try {
      model.send({ v: id, t: "answers", of: waiting });
    } catch (error) {
      console.debug("zlab: a view has gone, and with it what it was to answer", error); // the others answer again
    }
  }, ANSWERED);
}

// Send one more message to a comm whose connection is closed, over a connection of its own.
async function sayLast(kernel, comm, content) {
  if (!kernel?.clone || !comm) return;
  const own = kernel.clone({ handleComms: false });
  try {
    const future = own.sendShellMessage({
      channel: "shell",
      header: { msg_id: crypto.randomUUID?.() ?? String(Math.random()), msg_type: "comm_msg", username: "", session: own.clientId,
        date: new Date().toISOString(), version: "5.2" },
      parent_header: {},
      metadata: {},
      content: { comm_id: comm, data: { method: "custom", content } },
      buffers: [],
    }, false, true);
    const idle = new Promise((done) => { future.onIOPub = (m) => { if (m.content.execution_state === "idle") done(); }; });
    await Promise.race([idle, new Promise((done) => setTimeout(done, 10000))]);
  } catch (error) {
    console.debug("zlab: the kernel went first", error); // a notebook that shuts its kernel down stops the lab so
  } finally {
    own.dispose();
  }
}

// A message that is followed in one view is lit in all of its dashboard.
//   hops: as [sender, receiver] each; null ends it, undefined leaves it as it is.
//   more: {number} of the hop that was chosen; {closer: true} for a picture of its whole journey.
function follow(el, hops, more = {}) {
  document.dispatchEvent(new CustomEvent("zlab-follow", { detail: { dashboard: el.closest(".zlab-dashboard"), from: el, hops, more } }));
}

// Hear of it, as act(hops, more, own): whether it came from here; returns how to end that.
function onFollow(el, act) {
  const hear = ({ detail }) => { if (detail.dashboard?.contains(el)) act(detail.hops, detail.more, detail.from === el); };
  document.addEventListener("zlab-follow", hear);
  return () => document.removeEventListener("zlab-follow", hear);
}

// Which of the links, [sender, receiver] each, these hops have gone by; through a proxy, by two of them.
function linksOf(links, hops) {
  const node = (socket) => socket.slice(0, socket.lastIndexOf(".")), chosen = new Set();
  for (const [sender, receiver] of hops) {
    const direct = links.findIndex(([from, to]) => from === sender && to === receiver);
    if (direct >= 0) { chosen.add(direct); continue; }
    links.forEach(([from, front], i) => {
      if (from !== sender) return;
      if (!receiver) return; // where it went is not known
      links.forEach(([back, to], k) => { if (to === receiver && node(back) === node(front)) chosen.add(i).add(k); });
    });
  }
  return chosen;
}

function darkTheme(el) {
  const body = document.body;
  if (body.dataset.jpThemeLight) return body.dataset.jpThemeLight === "false";
  const [r, g, b] = (getComputedStyle(el).color.match(/[\d.]+/g) || [0, 0, 0]).map(Number);
  return r + g + b > 384; // light ink: a dark page
}
