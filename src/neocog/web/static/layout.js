// Where the cards of the overview stand: which groups are folded, columns, lanes, arcs.
// Nothing here touches the page; it turns a graph into numbers.

/** The groups of a graph: path → { path, parent, nodes, depth }, nodes of all depths. */
export function groupsOf(graph) {
  if (graph.groups) return graph.groups;
  const groups = new Map();
  for (const node of graph.nodes) {
    for (const path of pathsOf(node.group)) {
      const parent = path.includes(".") ? path.slice(0, path.lastIndexOf(".")) : "";
      if (!groups.has(path)) {
        groups.set(path, { path, parent, nodes: [], depth: path.split(".").length });
      }
      groups.get(path).nodes.push(node.id);
    }
  }
  for (const [path, group] of groups) if (group.nodes.length < 2) groups.delete(path);
  graph.groups = groups;
  return groups;
}

/** "a.b.c" → ["a", "a.b", "a.b.c"]; the outermost first. */
function pathsOf(path) {
  if (!path) return [];
  const parts = path.split(".");
  return parts.map((_, i) => parts.slice(0, i + 1).join("."));
}

/**
 * Which groups are open at first: level by level while the cards fit, then a single group from the
 * left, so that at least one block shows what is inside.
 */
export function firstOpen(graph, fits) {
  const groups = groupsOf(graph);
  const open = new Set();
  const deepest = Math.max(0, ...[...groups.values()].map((g) => g.depth));
  for (let depth = 1; depth <= deepest; depth++) {
    const level = [...groups.values()].filter((g) => g.depth === depth);
    const wider = new Set([...open, ...level.map((g) => g.path)]);
    if (fits(visible(graph, wider))) {
      for (const g of level) open.add(g.path);
      continue;
    }
    const first = level.find((g) => g.parent === "" || open.has(g.parent));
    if (first && fits(visible(graph, new Set([...open, first.path])))) open.add(first.path);
    break;
  }
  return open;
}

/** The cards of a graph when these groups are open, and the edges between them. */
export function visible(graph, open) {
  const groups = groupsOf(graph);
  const opened = new Set(open);
  for (;;) {
    const found = folded(graph, groups, opened);
    const order = sorted(found);
    if (order) return { ...found, items: order, opened };
    // A group that the path leaves and enters again cannot be one card: open the first of them.
    const stuck = found.items.find((item) => item.group && !opened.has(item.group));
    opened.add(stuck.group);
  }
}

function folded(graph, groups, opened) {
  const cardOf = new Map();
  const items = [];
  const byKey = new Map();
  for (const node of graph.nodes) {
    const closed = pathsOf(node.group).find((path) => groups.has(path) && !opened.has(path));
    const key = closed ?? node.id;
    if (!byKey.has(key)) {
      const item = { key, group: closed ?? null, nodes: [], node: node.id, inside: insideOf(node, closed, groups) };
      byKey.set(key, item);
      items.push(item);
    }
    byKey.get(key).nodes.push(node.id);
    cardOf.set(node.id, byKey.get(key));
  }
  const edges = new Map();
  for (const [from, to] of graph.edges) {
    const [a, b] = [cardOf.get(from), cardOf.get(to)];
    if (!a || !b || a === b) continue;
    a.node = Math.max(a.out ?? -1, graph.nodes.findIndex((n) => n.id === from));
    a.out = a.node;
    edges.set(`${a.key}>${b.key}`, { from: a, to: b });
  }
  for (const item of items) {
    item.node = item.out === undefined ? item.nodes.at(-1) : graph.nodes[item.out].id;
  }
  return { items, edges: [...edges.values()], cardOf };
}

/** The open groups around a card, the outermost first. */
function insideOf(node, closed, groups) {
  const paths = pathsOf(node.group).filter((path) => groups.has(path));
  return closed ? paths.filter((path) => path !== closed && closed.startsWith(`${path}.`)) : paths;
}

/** Topological order, or null when there is a circle. */
function sorted({ items, edges }) {
  const missing = new Map(items.map((item) => [item, 0]));
  const next = new Map(items.map((item) => [item, []]));
  for (const { from, to } of edges) {
    missing.set(to, missing.get(to) + 1);
    next.get(from).push(to);
  }
  const ready = items.filter((item) => missing.get(item) === 0);
  const order = [];
  while (ready.length) {
    const item = ready.shift();
    order.push(item);
    for (const to of next.get(item)) {
      missing.set(to, missing.get(to) - 1);
      if (missing.get(to) === 0) ready.push(to);
    }
  }
  return order.length === items.length ? order : null;
}

/**
 * Columns by the longest path from the left, lanes so that the longest way stays straight, and
 * arcs for edges that pass other cards in their lane.
 */
export function arrange({ items, edges }) {
  const before = new Map(items.map((item) => [item, []]));
  const after = new Map(items.map((item) => [item, []]));
  for (const { from, to } of edges) {
    before.get(to).push(from);
    after.get(from).push(to);
  }
  for (const item of items) {
    item.column = Math.max(0, ...before.get(item).map((b) => b.column + 1));
  }
  const rest = new Map();
  for (const item of [...items].reverse()) {
    rest.set(item, Math.max(0, ...after.get(item).map((a) => rest.get(a) + 1)));
  }
  const heir = new Map();
  for (const item of items) {
    const follows = [...after.get(item)].sort((a, b) => rest.get(b) - rest.get(a) || a.column - b.column);
    if (follows.length) heir.set(item, follows[0]);
  }
  const taken = new Set();
  for (const item of items) {
    const own = before.get(item).filter((b) => heir.get(b) === item).map((b) => b.lane);
    const near = before.get(item).map((b) => b.lane + 1);
    let lane = own.length ? Math.min(...own) : near.length ? Math.min(...near) : 0;
    while (taken.has(`${item.column}:${lane}`)) lane++;
    item.lane = lane;
    taken.add(`${item.column}:${lane}`);
    // A branch that waits for its sum keeps its lane free until there.
    for (const to of after.get(item)) {
      if (lane > 0) for (let c = item.column + 1; c < to.column; c++) taken.add(`${c}:${lane}`);
    }
  }
  const cards = new Set(items.map((item) => `${item.column}:${item.lane}`));
  const arcs = [];
  for (const edge of edges) {
    edge.arc = false;
    if (edge.from.lane !== edge.to.lane) continue;
    for (let c = edge.from.column + 1; c < edge.to.column; c++) {
      if (cards.has(`${c}:${edge.from.lane}`)) edge.arc = true;
    }
    if (edge.arc) arcs.push(edge);
  }
  nest(arcs);
  return {
    columns: 1 + Math.max(0, ...items.map((item) => item.column)),
    lanes: 1 + Math.max(0, ...items.map((item) => item.lane)),
    arcLevels: Math.max(0, ...arcs.map((arc) => arc.level)),
  };
}

/** Arcs over others stand higher: level 1 is the lowest. */
function nest(arcs) {
  const span = (arc) => arc.to.column - arc.from.column;
  const done = [];
  for (const arc of [...arcs].sort((a, b) => span(a) - span(b))) {
    const across = done.filter(
      (d) => d.from.column < arc.to.column && d.to.column > arc.from.column,
    );
    arc.level = Math.min(6, 1 + Math.max(0, ...across.map((d) => d.level)));
    done.push(arc);
  }
}

/** The sizes of the overview, in CSS pixels. */
export const SIZES = {
  card: 76, narrow: 52, gap: 22, head: 40, foot: 20, map: 56, space: 4, top: 10, title: 20, arc: 15,
  lane: 26, side: 14,
};

/** How many maps a card shows: most in the straight way, one in the branches beside it. */
export const mapsInLane = (lane, lanes, most = 5) =>
  lane > 0 ? 1 : Math.min(most, lanes > 2 ? 2 : lanes > 1 ? 4 : 5);

/** Positions of cards, boxes and edges: all that the page needs to draw. */
export function place(graph, found, widthOf, most) {
  const { lanes, columns, arcLevels } = arrange(found);
  const rows = Array.from({ length: lanes }, (_, lane) => mapsInLane(lane, lanes, most));
  const heights = rows.map((count) => SIZES.head + count * (SIZES.map + SIZES.space) + SIZES.foot);
  const depth = Math.max(0, ...found.items.map((item) => item.inside.length));
  const top = SIZES.top + depth * SIZES.title + arcLevels * SIZES.arc + (arcLevels ? 8 : 0);
  const tops = heights.map((_, lane) => heights.slice(0, lane).reduce((y, h) => y + h + SIZES.lane, top));
  const wide = Array.from({ length: columns }, () => 0);
  for (const item of found.items) wide[item.column] = Math.max(wide[item.column], widthOf(item));
  const ins = borders(found.items, columns);
  const left = [];
  let x = SIZES.side;
  for (let c = 0; c < columns; c++) {
    x += ins[c] * 10;
    left.push(x);
    x += wide[c] + SIZES.gap;
  }
  for (const item of found.items) {
    item.w = widthOf(item);
    item.rows = rows[item.lane];
    item.h = heights[item.lane];
    item.x = left[item.column] + (wide[item.column] - item.w) / 2;
    item.y = tops[item.lane];
  }
  const bottom = tops.at(-1) + heights.at(-1);
  return {
    items: found.items,
    edges: found.edges.map((edge) => ({ ...edge, path: route(edge, top) })),
    boxes: boxes(found.items, depth, top),
    width: x - SIZES.gap + SIZES.side + 10,
    height: bottom + depth * 8 + SIZES.top,
  };
}

/** How many boxes begin or end before each column: they need room. */
function borders(items, columns) {
  const ranges = new Map();
  for (const item of items) {
    for (const path of item.inside) {
      const range = ranges.get(path) ?? { from: columns, to: 0 };
      range.from = Math.min(range.from, item.column);
      range.to = Math.max(range.to, item.column);
      ranges.set(path, range);
    }
  }
  const count = Array.from({ length: columns + 1 }, () => 0);
  for (const { from, to } of ranges.values()) {
    count[from]++;
    count[to + 1]++;
  }
  return count;
}

function boxes(items, deepest, top) {
  const found = new Map();
  for (const item of items) {
    item.inside.forEach((path, i) => {
      const box = found.get(path) ?? { path, depth: i, x0: Infinity, x1: 0, y0: Infinity, y1: 0, upper: false };
      box.x0 = Math.min(box.x0, item.x);
      box.x1 = Math.max(box.x1, item.x + item.w);
      box.y0 = Math.min(box.y0, item.y);
      box.y1 = Math.max(box.y1, item.y + item.h);
      box.upper ||= item.lane === 0;
      found.set(path, box);
    });
  }
  return [...found.values()].map((box) => {
    const pad = 8 + (deepest - box.depth - 1) * 8;
    const head = box.upper ? box.y0 - (SIZES.top + box.depth * SIZES.title) : SIZES.title;
    return { path: box.path, depth: box.depth, x: box.x0 - pad, y: box.y0 - head, w: box.x1 - box.x0 + 2 * pad, h: box.y1 - box.y0 + head + pad };
  });
}

function route({ from, to, arc, level }, top) {
  const [x0, y0] = [from.x + from.w, from.y + from.h / 2];
  const [x1, y1] = [to.x, to.y + to.h / 2];
  if (arc) {
    const roof = from.lane === 0 ? top - 6 - level * SIZES.arc : from.y - 12;
    const [a, b, r] = [from.x + from.w - 12, to.x + 12, Math.min(12, SIZES.arc)];
    return `M${a} ${from.y}V${roof + r}Q${a} ${roof} ${a + r} ${roof}H${b - r}Q${b} ${roof} ${b} ${roof + r}V${to.y - 1}`;
  }
  if (y0 === y1) return `M${x0} ${y0}H${x1 - 1}`;
  const bend = SIZES.gap;
  if (from.lane > to.lane) {
    const m = x1 - bend;
    return `M${x0} ${y0}H${Math.max(x0, m)}C${x1 - bend / 2} ${y0} ${x1 - bend / 2} ${y1 + 24} ${x1 - 1} ${y1 + 24}`;
  }
  return `M${x0} ${y0}C${x0 + bend / 2} ${y0} ${x0 + bend / 2} ${y1} ${Math.min(x1 - 1, x0 + bend)} ${y1}H${x1 - 1}`;
}
