// What is drawn of a large lab: a card for each group of nodes that are alike, until it is opened; folding.py finds them.

// Items are cards, bundles are lanes: both have the words that nodes and links have, so that one code draws all.
function foldGraph(graph, opened) {
  const items = [], frames = [], itemOf = new Int32Array(graph.nodes.length).fill(-1);
  const shifts = []; // what an opened group pushes away
  graph.groups.forEach((group, g) => {
    const open = opened.has(group.name), [x, y, w, h] = group.box;
    if (open) {
      const [wide, high] = group.opened;
      frames.push({ ...group, group: g, x, y, w: wide, h: high });
      shifts.push({ x, y, dx: Math.max(0, wide - w) / 2, dy: Math.max(0, high - h) / 2 });
    } else {
      for (const i of group.members) itemOf[i] = items.length;
      items.push({ ...group, group: g, node: -1, sockets: graph.nodes[group.members[0]].sockets });
    }
  });
  const inFrame = new Map(frames.flatMap((frame) => frame.members.map((i) => [i, frame])));
  graph.nodes.forEach((node, i) => {
    if (itemOf[i] >= 0) return;
    itemOf[i] = items.length;
    items.push({ name: node.name, types: node.types, sockets: node.sockets, members: [i], node: i, group: -1, frame: inFrame.get(i), box: node.box });
  });
  // In the order of the nodes, so that the keyboard goes through them as one reads.
  const order = items.map((_, i) => i).sort((a, b) => items[a].members[0] - items[b].members[0]);
  const sorted = order.map((i) => items[i]), now = new Int32Array(items.length);
  order.forEach((i, k) => { now[i] = k; });
  itemOf.forEach((item, i) => { itemOf[i] = now[item]; });

  const move = (x, y) => {
    let [mx, my] = [x, y];
    for (const s of shifts) {
      if (x > s.x + 1) mx += s.dx;
      else if (x < s.x - 1) mx -= s.dx;
      else if (y > s.y + 1) my += s.dy;
      else if (y < s.y - 1) my -= s.dy;
    }
    return [mx, my];
  };
  for (const frame of frames) [frame.x, frame.y] = move(frame.x, frame.y);
  for (const item of sorted) {
    const [x, y, w, h] = item.box, [mx, my] = item.frame ? [item.frame.x + x, item.frame.y + y] : move(x, y);
    item.home = { x: mx, y: my, w, h };
  }

  const bundles = [], keys = new Map(), bundleOf = new Int32Array(graph.links.length);
  graph.links.forEach((link, i) => {
    const source = itemOf[link.source], target = itemOf[link.target];
    const crowd = sorted[source].group >= 0 || sorted[target].group >= 0; // only a crowd's links share a lane
    const key = crowd ? `${source} ${target} ${link.from} ${link.to} ${link.binds}` : i;
    if (!keys.has(key)) {
      keys.set(key, bundles.length);
      bundles.push({ name: link.name, source, target, from: link.from, to: link.to, endpoint: link.endpoint, binds: link.binds, links: [], endpoints: new Set() });
    }
    const bundle = bundles[(bundleOf[i] = keys.get(key))];
    bundle.links.push(i);
    bundle.endpoints.add(link.endpoint);
  });
  for (const bundle of bundles) {
    if (bundle.endpoints.size > 1) bundle.endpoint = `${bundle.endpoints.size} endpoints`;
    if (bundle.links.length > 1) bundle.name = `${sorted[bundle.source].name} → ${sorted[bundle.target].name}`;
  }
  const endsOf = sorted.map(() => []);
  bundles.forEach((bundle, b) => {
    endsOf[bundle.source].push(b);
    if (bundle.target !== bundle.source) endsOf[bundle.target].push(b);
  });
  return { nodes: sorted, links: bundles, frames, itemOf, bundleOf, endsOf };
}

// The exact sums of what is drawn as one: rate and queue of each bundle.
function sumUp(fold, live, capacities) {
  return fold.links.map(({ links }) => {
    let rate = 0, queued = 0, capacity = 0;
    for (const i of links) {
      rate += live[i].rate;
      queued += live[i].queued;
      capacity += capacities[i] ?? 0;
    }
    return { rate, queued, capacity };
  });
}

// How many members of a group are in each state, what has gone wrong first.
const GRAVE = ["failed", "killed", "stopped", "finished", "paused", "blocked in send", "starting", "running", "blocked in recv"];
function statesOf(members, looks) {
  const counts = new Map();
  for (const i of members) counts.set(looks[i].state, (counts.get(looks[i].state) ?? 0) + 1);
  return [...counts].sort(([a], [b]) => GRAVE.indexOf(a) - GRAVE.indexOf(b));
}

// Members' figures as one: what a tooltip tells of a bundle. Parts that Python has not told yet are missing from all.
function addUp(parts) {
  if (!parts.length || parts.some((part) => !part)) return undefined;
  const total = { expected: 0, delivered: 0, capacity: 0, filtered: 0, duplicated: 0, unaccounted: 0, uncertain: 0, dropped: {}, lost: {}, latency: null };
  for (const part of parts) {
    for (const name of ["expected", "delivered", "capacity", "filtered", "duplicated", "unaccounted", "uncertain"]) total[name] += part[name];
    for (const why of ["dropped", "lost"]) {
      for (const [reason, n] of Object.entries(part[why])) total[why][reason] = (total[why][reason] ?? 0) + n;
    }
  }
  const stages = parts.map((part) => part.connection?.stage).filter(Boolean), counts = {};
  for (const stage of stages) counts[stage] = (counts[stage] ?? 0) + 1;
  if (stages.length) total.connection = { stage: reasons(counts), times: {} };
  if (parts.length === 1) [total.latency, total.connection, total.proxied] = [parts[0].latency, parts[0].connection, parts[0].proxied]; // neither adds up
  return total;
}

// What a tooltip tells of the links that are drawn as one.
function tellBundle({ fold, sums }, b, figures) {
  const { name, endpoint, links } = fold.links[b];
  const parts = tellLink({ name, endpoint }, sums[b], figures && addUp(links.map((i) => figures.links[i])));
  return links.length > 1 ? [parts[0], make("span.zlab-soft", {}, ` ${count(links.length)} links over ${endpoint}`), ...parts.slice(2)] : parts;
}

function tellGroup(scene, i, figures) {
  const { fold } = scene, item = fold.nodes[i], { in: into, out, queued } = scene.traffic(i);
  const ends = (side) => fold.endsOf[i].filter((b) => fold.links[b][side] === i).flatMap((b) => fold.links[b].links);
  const told = (side) => figures && addUp(ends(side).map((l) => figures.links[l]));
  const rows = scene.states(item).map(([state, n]) => [state, count(n)]);
  for (const [way, flow, total] of [["in", into, told("target")], ["out", out, told("source")]]) {
    if (!total) continue;
    rows.push([way, `${rate(flow)}, ${count(total.delivered)} delivered`], [`${way}: dropped`, reasons(total.dropped)], [`${way}: lost`, reasons(total.lost)],
      [`${way}: unaccounted`, total.unaccounted ? count(total.unaccounted) : "0 ✓", total.unaccounted !== 0]);
  }
  rows.push(["queued", count(queued)]);
  return [make("strong", {}, item.name), make("span.zlab-soft", {}, ` ${count(item.members.length)} nodes · ${item.types}; click to open`), definition(rows)];
}
