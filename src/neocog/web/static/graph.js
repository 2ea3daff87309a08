// The overview: a network from left to right, its maps, its residual arcs, its folded groups.

import { byId, el, say, sized, svg, tabStop } from "./dom.js";
import { SIZES, firstOpen, groupsOf, place, visible } from "./layout.js";
import { blamed, errorRow, errorWords, paintGauge, reachOf, worstRise } from "./errors.js";
import { refresh, wish } from "./live.js";
import { draw, drawPicture, formOf, mapOf, squareAt, strongest } from "./maps.js";
import { number, shape, short } from "./numbers.js";
import { nodeOf, on, set, shown, state } from "./state.js";

const views = [null, null];
const WORDS = {
  conv: "convolution", linear: "dense layer", norm: "normalisation", activation: "activation",
  pool: "pooling", add: "sum", cat: "stacked channels", softmax: "softmax", input: "the picture",
  output: "answer", reshape: "reshaped", other: "operation",
};

/** Show the graphs of the models that are shown. */
export function start() {
  on("graphs both", rebuild);
  on("node model channel", mark);
  on("frames", repaint);
  wish(thumbnails);
  byId("unfold").addEventListener("click", () => foldAll(false));
  byId("fold").addEventListener("click", () => foldAll(true));
  addEventListener("neocog-theme", repaint);
}

/** What a node is, in a word. */
export const wordOf = (node) => WORDS[node.kind] ?? node.kind;

/** Move the keyboard to the card of the node that is inspected. */
export function focusCard() {
  const view = views[state.model] ?? views.find(Boolean);
  view?.box.querySelector('.card [tabindex="0"]')?.focus();
}

function rebuild() {
  const box = byId("graphs");
  box.replaceChildren();
  views.fill(null);
  for (const model of shown()) {
    if (!state.graphs[model]) continue;
    views[model] = build(model);
    box.append(views[model].outer);
    lay(views[model]);
  }
  const groups = views.some((view) => view && groupsOf(view.graph).size > 0);
  for (const id of ["unfold", "fold"]) byId(id).hidden = !groups;
  hint([]);
}

/** What there is to do; or, while the picture is moved, where the error rises most. */
function hint(worst) {
  const box = byId("network-hint");
  const key = worst.map((one) => one.item?.key ?? "").join();
  if (worst.length && box.dataset.key === key) return;
  box.dataset.key = worst.length ? key : "";
  if (!worst.length) {
    const count = state.graphs[state.model]?.nodes.length;
    box.textContent = count ? `${count} operations. Open a card, or a map in it.` : "";
    return;
  }
  box.replaceChildren("The error rises most at ", ...worst.flatMap(({ view, item }, i) => [
    i ? ", " : "", state.both ? `${"AB"[view.model]}: ` : "",
    item ? el("button", { type: "button", class: "quiet", text: nameOf(view, item), onclick: () => reveal(view, item) }) : "no layer",
  ]), ".");
}

const nameOf = (view, item) => item.group ?? (nodeOf(view.model, item.node).name || nodeOf(view.model, item.node).label);

function reveal(view, item) {
  const card = view.cards.get(item.key);
  card?.outer.scrollIntoView({ block: "nearest", inline: "center", behavior: calm() });
  card?.button.focus({ preventScroll: true });
}

function build(model) {
  const about = state.about.models[model];
  const box = el("div", { class: "graph" });
  const scroll = el("div", { class: "across", role: "group", "aria-label": `Network ${about.name}, left to right` }, box);
  const title = state.both
    ? el("h3", { class: "which" }, el("span", { class: `letter m${model}`, text: "AB"[model] }), about.name)
    : null;
  const graph = state.graphs[model];
  graph.open ??= firstOpen(graph);
  const view = { model, graph, box, scroll, outer: el("div", { class: "one" }, title, scroll), cards: new Map(), seen: new Set(), found: null };
  view.watcher = new IntersectionObserver((entries) => look(view, entries), { root: scroll, rootMargin: "0px 60px" });
  scroll.addEventListener("keydown", (event) => keys(view, event));
  return view;
}

function look(view, entries) {
  let more = false;
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) {
      view.seen.add(target.item);
      more ||= !painted(view, target.item);
    } else view.seen.delete(target.item);
  }
  if (more) refresh();
}

function painted(view, item) {
  const card = view.cards.get(item.key);
  return card?.frame === state.frames[view.model];
}

const widthOf = (graph) => (item) => {
  const node = graph.index.get(item.node);
  return formOf(node) === "numbers" && node.kind !== "output" ? SIZES.narrow : SIZES.card;
};

/** Lay the cards of a view out anew: after a group was folded or unfolded. */
function lay(view, focus = null) {
  const { graph, box } = view;
  nodeOf(view.model, 0);
  const found = visible(graph, graph.open);
  graph.open = found.opened;
  view.found = found;
  const placed = place(graph, found, widthOf(graph), state.both ? 2 : 5);
  view.watcher.disconnect();
  view.seen.clear();
  view.cards.clear();
  box.replaceChildren();
  box.style.width = `${placed.width}px`;
  box.style.height = `${placed.height}px`;
  for (const one of placed.boxes) box.append(groupBox(view, one));
  box.append(lines(placed));
  for (const item of placed.items) {
    const card = cardFor(view, item);
    view.cards.set(item.key, card);
    box.append(card.outer);
    view.watcher.observe(card.outer);
  }
  mark();
  if (focus !== null) view.cards.get(focus)?.button.focus();
}

function lines(placed) {
  const made = svg("svg", { class: "lines", width: placed.width, height: placed.height, "aria-hidden": "true" });
  for (const edge of placed.edges) {
    const line = svg("path", { d: edge.path, class: edge.arc ? "arc" : "edge" });
    line.edge = edge;
    made.append(line);
  }
  return made;
}

function groupBox(view, one) {
  const fold = el("button", {
    type: "button", class: "fold", tabindex: "-1", "aria-label": `Fold ${one.path}`, title: `Fold ${one.path}`,
    onclick: () => toggle(view, one.path),
  }, el("span", { "aria-hidden": "true", text: "− " }), one.path);
  const outer = el("div", { class: "box" }, fold);
  put(outer, one);
  return outer;
}

function cardFor(view, item) {
  const node = nodeOf(view.model, item.node);
  const canvas = el("canvas", { "aria-hidden": "true" });
  const name = item.group ? last(item.group, item.inside.at(-1)) : node.label;
  const button = el("button", { type: "button", class: "title", tabindex: "-1", title: item.group ?? node.name ?? node.label },
    el("span", { class: "label", text: name }),
    el("span", { class: "size", text: sizes(node) }));
  const more = item.group
    ? el("button", { type: "button", class: "more", tabindex: "-1", "aria-label": `Unfold ${item.group}`, title: `Unfold: ${item.nodes.length} operations`, text: "+" })
    : null;
  const gauge = el("span", { class: "gauge", "aria-hidden": "true" }, el("i"), el("b"));
  const error = el("span", { class: "error" });
  const outer = el("div", { class: `card ${item.group ? "group" : ""} k-${node.kind}` }, button, more, canvas, el("div", { class: "foot" }, gauge, error));
  outer.item = item;
  put(outer, item);
  const card = { item, node, outer, button, canvas, gauge, error, frame: null };
  button.addEventListener("click", () => open(view, card));
  more?.addEventListener("click", () => toggle(view, item.group));
  canvas.addEventListener("click", (event) => openMap(view, card, event));
  describe(view, card);
  return card;
}

function put(element, { x, y, w, h }) {
  element.style.left = `${x}px`;
  element.style.top = `${y}px`;
  element.style.width = `${w}px`;
  element.style.height = `${h}px`;
}

const last = (path, parent) => (parent ? path.slice(parent.length + 1) : path);
const sizes = (node) => (node.shape.length ? node.shape.join("×") : "");

function describe(view, card) {
  const { item, node } = card;
  const what = item.group
    ? `Group ${item.group}, ${item.nodes.length} operations, press plus to unfold`
    : `${node.label}, ${wordOf(node)}`;
  card.button.setAttribute("aria-label", `${what}; ${shape(node.shape)}${errorWords(errorRow(view.model, item.node))}`);
}

function open(view, card) {
  const first = card.node.kind === "output" ? (state.frames[view.model]?.answer?.probabilities?.[0]?.class ?? 0) : 0;
  const channel = first < card.node.shape[0] ? first : 0;
  set({ model: view.model, node: card.item.node, channel, unit: null, tab: card.node.shape.length === 1 && card.node.units ? "unit" : "maps" });
  byId("inspect").scrollIntoView({ block: "nearest", behavior: calm() });
}

const calm = () => (matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth");

function openMap(view, card, event) {
  const { node } = card;
  const frame = state.frames[view.model];
  if (node.kind === "input" || !frame) return open(view, card);
  const box = card.canvas.getBoundingClientRect();
  const [px, py] = [event.clientX - box.left, event.clientY - box.top];
  let channel = Math.floor(py / (SIZES.map + SIZES.space));
  if (formOf(node) === "numbers") {
    channel = squareAt(node.shape[0], box.width, box.height, px, py) ?? 0;
    set({ model: view.model, node: node.id, channel, unit: { row: 0, col: 0 }, tab: "unit" });
  } else {
    channel = Math.min(channel, node.shape[0] - 1);
    const unit = strongest(node, mapOf(view.model, node.id, channel));
    set({ model: view.model, node: node.id, channel, unit, tab: "unit" });
  }
  return byId("inspect").scrollIntoView({ block: "nearest", behavior: calm() });
}

function toggle(view, path) {
  const { open } = view.graph;
  if (open.has(path)) {
    for (const other of [...open]) if (other === path || other.startsWith(`${path}.`)) open.delete(other);
    lay(view, path);
  } else {
    open.add(path);
    lay(view);
    const first = view.found.items.find((item) => item.inside.includes(path));
    view.cards.get(first?.key)?.button.focus();
  }
  say(`${path} ${open.has(path) ? "unfolded" : "folded"}`);
  refresh();
}

function foldAll(closed) {
  for (const view of views.filter(Boolean)) {
    view.graph.open = closed ? new Set() : new Set(groupsOf(view.graph).keys());
    lay(view);
  }
  refresh();
}

/** The wish for thumbnails: of each card in view, as many channels as it shows. */
function thumbnails(model, left) {
  const view = views[model];
  if (!view) return [];
  const items = [...view.seen].filter((item) => nodeOf(model, item.node).kind !== "input");
  const each = Math.max(1, Math.floor(left / Math.max(1, items.length)));
  return items.map((item) => ({ node: item.node, channels: `first:${Math.min(item.rows, each)}` }));
}

function repaint() {
  const reach = reachOf();
  const worsts = [];
  for (const view of views.filter(Boolean)) {
    const worst = worstRise(view);
    const item = view.found.items.find((one) => one.key === worst) ?? null;
    if (blamed(view.model) && state.frames[view.model]?.errors) worsts.push({ view, item });
    for (const card of view.cards.values()) {
      if (view.seen.has(card.item)) paintCard(view, card);
      paintGauge(card, errorRow(view.model, card.item.node), { worst: card.item.key === worst, reach });
      if (card.told !== card.error.textContent) describe(view, card);
      card.told = card.error.textContent;
    }
  }
  hint(worsts);
}

function paintCard(view, card) {
  const frame = state.frames[view.model];
  if (!frame) return;
  const { node, canvas } = card;
  const { rows } = card.item;
  const height = rows * (SIZES.map + SIZES.space) - SIZES.space;
  const numbers = formOf(node) === "numbers";
  const width = numbers && node.kind !== "output" ? SIZES.narrow - 14 : SIZES.map;
  const ctx = sized(canvas, width, height);
  ctx.clearRect(0, 0, width, height);
  card.frame = frame;
  if (node.kind === "input") {
    const [h, w] = frame.picture.shape.length === 3 ? frame.picture.shape.slice(1) : [1, 1];
    drawPicture(ctx, frame.picture, 0, 0, width, Math.min(height, (width * h) / w));
    return;
  }
  if (numbers) {
    const map = mapOf(view.model, node.id, 0);
    if (map) draw(ctx, node, map, 0, 0, width, height);
    return;
  }
  for (let i = 0; i < Math.min(rows, node.shape[0]); i++) {
    const map = mapOf(view.model, node.id, i);
    if (map) fit(ctx, node, map, i * (SIZES.map + SIZES.space), width);
  }
}

/** A map in its square, with its own proportions. */
function fit(ctx, node, map, y, side) {
  const [h, w] = node.shape.length === 3 ? node.shape.slice(1) : [1, 1];
  const [width, height] = h > w ? [(side * w) / h, side] : [side, (side * h) / w];
  draw(ctx, node, map, (side - width) / 2, y + (side - height) / 2, width, height);
}

function mark() {
  for (const view of views.filter(Boolean)) {
    const here = state.node !== null && view.model === state.model;
    const chosen = here ? view.found.cardOf.get(state.node) : null;
    for (const card of view.cards.values()) {
      const is = card.item === chosen;
      card.outer.classList.toggle("chosen", is);
      if (is) card.button.setAttribute("aria-current", "true");
      else card.button.removeAttribute("aria-current");
    }
    for (const line of view.box.querySelectorAll(".lines path")) line.classList.toggle("near", line.edge.to === chosen || line.edge.from === chosen);
    const buttons = [...view.cards.values()].map((card) => card.button);
    const focused = buttons.find((b) => b === document.activeElement);
    tabStop(buttons, focused ?? view.cards.get(chosen?.key)?.button);
  }
}

/** Arrow keys walk over the cards; plus and minus unfold and fold. */
function keys(view, event) {
  const card = [...view.cards.values()].find((c) => c.button === event.target);
  if (!card || event.ctrlKey || event.metaKey || event.altKey) return;
  const { item } = card;
  const others = view.found.items.filter((other) => other !== item);
  const near = (a) => Math.abs(a.column - item.column) * 4 + Math.abs(a.lane - item.lane);
  const pick = (wanted) => others.filter(wanted).sort((a, b) => near(a) - near(b))[0];
  let go = null;
  if (event.key === "ArrowRight") go = pick((o) => o.column > item.column);
  else if (event.key === "ArrowLeft") go = pick((o) => o.column < item.column);
  else if (event.key === "ArrowDown") go = pick((o) => o.lane > item.lane);
  else if (event.key === "ArrowUp") go = pick((o) => o.lane < item.lane);
  else if (event.key === "Home") go = view.found.items[0];
  else if (event.key === "End") go = view.found.items.at(-1);
  else if (event.key === "+" || event.key === "=") {
    if (item.group) toggle(view, item.group);
  } else if (event.key === "-") {
    if (item.inside.length) toggle(view, item.inside.at(-1));
  } else return;
  event.preventDefault();
  event.stopPropagation();
  if (!go) return;
  const to = view.cards.get(go.key);
  tabStop([...view.cards.values()].map((c) => c.button), to.button);
  to.button.focus({ preventScroll: true });
  to.outer.scrollIntoView({ block: "nearest", inline: "nearest" });
}

/** The counts of a node or group in one line. */
export function countsOf(node) {
  const parts = [];
  if (node.params) parts.push(`${number(node.params)} parameters`);
  if (node.macs) parts.push(`${short(node.macs)} multiply–adds`);
  return parts.join(" · ");
}
