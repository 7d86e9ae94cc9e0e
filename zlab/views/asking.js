// What Python is asked for while somebody looks: where a node stands in its source, and in a large lab the figures.

class Asking {
  constructor(wire, scene) {
    this.wire = wire;
    this.scene = scene;
    this.looked = " -1";
    this.asked = "";
    this.timer = 0;
  }

  // Where a node stands is asked while it is open, and not before.
  look(node, link = -1) {
    if (`${node} ${link}` === this.looked) return;
    this.looked = `${node} ${link}`;
    this.wire.send({ t: "look", node, link });
  }

  // The figures of the node and of the bundle that are open, or -1, and of the target that is pointed at.
  want(open, summed, target) {
    const { graph, fold } = this.scene;
    if (!graph.sparse) return;
    const sought = new Set(), links = new Set(), { item, bundle } = target ?? {};
    if (open >= 0) sought.add(open);
    if (item !== undefined) for (const i of fold.nodes[item].members) sought.add(i);
    for (const one of [bundle, summed]) for (const i of fold.links[one]?.links ?? []) links.add(i);
    graph.links.forEach((link, i) => { if (sought.has(link.source) || sought.has(link.target)) links.add(i); });
    const content = { t: "ask", nodes: sought.size > 1 ? [] : [...sought], links: [...links] }; // a group's figures are those of its links
    if (JSON.stringify(content) === this.asked) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => { this.asked = JSON.stringify(content); this.wire.send(content); }, 120);
  }

  dispose() { clearTimeout(this.timer); }
}
