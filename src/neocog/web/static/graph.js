// The network from left to right, fitted to the window: its feature maps, residual arcs and folded groups.

import { byId, el, say, sized, svg, tabStop } from "./dom.js";
import { SIZES, firstOpen, groupsOf, place, visible } from "./layout.js";
import { blamed, errorRow, errorWords, paintGauge, reachOf, worstRise } from "./errors.js";
import { measure, refresh, wish } from "./live.js";
import { draw, drawInput, formOf, mapOf, squareAt, strongest } from "./maps.js";
import { shape } from "./numbers.js";
import { cue, overview } from "./overview.js";
import { nodeOf, on, set, shown, state } from "./state.js";
import { operation } from "./words.js";

/** The smallest scale at which a network is fitted to the window; a larger one is scrolled. */
const SMALLEST = 0.53;

const views = [null, null];
let fitted = true;
/** Show the graphs of the models that are shown. */
export function start() {
  on("graphs both", rebuild);
  on("node model channel", mark);
  on("frames", repaint);
  wish(thumbnails);
  measure((model) => views[model]?.found.items.map((item) => item.node) ?? []);
  byId("unfold").addEventListener("click", () => foldAll(false));
  byId("fold").addEventListener("click", () => foldAll(true));
  byId("fit").addEventListener("click", () => {
    fitted = !fitted;
    byId("fit").setAttribute("aria-pressed", String(fitted));
    for (const view of views.filter(Boolean)) fitView(view);
  });
  new ResizeObserver(() => views.filter(Boolean).forEach(fitView)).observe(byId("graphs"));
  addEventListener("neocog-theme", repaint);
}

/** Move the keyboard to the card of the node that is inspected. */
export function focusCard() {
  const view = views[state.model] ?? views.find(Boolean);
  view?.box.querySelector('.card [tabindex="0"]')?.focus();
}

function rebuild() {
  const box = byId("graphs");
  box.replaceChildren();
  box.className = state.both ? "two" : "";
  document.body.classList.toggle("both", state.both);
  for (const view of views.filter(Boolean)) {
    view.watcher.disconnect();
    view.graph.folds[view.way] = view.graph.open;
  }
  views.fill(null);
  for (const model of shown().filter((m) => state.graphs[m])) {
    const view = (views[model] = build(model));
    box.append(view.outer);
    // What is folded is remembered for one network alone and for two beside each other.
    view.graph.folds ??= {};
    view.graph.open = view.graph.folds[view.way] ?? firstOpen(view.graph, (found) => placedOf(view, found).width * SMALLEST <= roomOf(view));
    lay(view);
  }
  const groups = views.some((view) => view && groupsOf(view.graph).size > 0);
  for (const id of ["unfold", "fold"]) byId(id).hidden = !groups;
  hint([]);
}

/** What there is to do; or, while the image is moved, where the error rises most. */
function hint(worst) {
  const box = byId("network-hint");
  const key = worst.map((one) => one.item?.key ?? "").join();
  if (worst.length && box.dataset.key === key) return;
  box.dataset.key = worst.length ? key : "";
  if (!worst.length) {
    const count = state.graphs[state.model]?.nodes.length;
    box.textContent = count ? "Cards are operations with their first feature maps: orange is positive, blue negative. Select one to look inside." : "";
    return;
  }
  box.replaceChildren("Bars: equivariance error ‖f(Tx) − T f(x)‖ / ‖f(x)‖. It rises most at ", ...worst.flatMap(({ view, item }, i) => [
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
  nodeOf(model, 0); // which makes the index of its nodes
  const about = state.about.models[model];
  const box = el("div", { class: "graph" });
  const sheet = el("div", { class: "sheet" }, box);
  const scroll = el("div", { class: "across", id: `across-${model}`, role: "group", "aria-label": `Network ${about.name}, left to right` }, sheet);
  const small = overview(scroll, about.name);
  const title = state.both
    ? el("h3", { class: "which" }, el("span", { class: `letter m${model}`, text: "AB"[model] }), about.name)
    : null;
  const outer = el("div", { class: "one", "data-model": model }, title, state.both ? el("div", { class: "slot" }) : null, scroll, small.element);
  const view = { model, graph: state.graphs[model], box, sheet, scroll, small, outer, cards: new Map(), seen: new Set(), found: null, scale: 1, way: state.both ? "two" : "one" };
  view.cue = cue(scroll);
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

/** Lay the cards of a view out again: after a group was folded or unfolded. */
function lay(view, focus = null) {
  const { graph, box } = view;
  const found = visible(graph, graph.open);
  graph.open = found.opened;
  view.found = found;
  const placed = placedOf(view, found);
  view.placed = placed;
  view.watcher.disconnect();
  view.seen.clear();
  view.cards.clear();
  box.replaceChildren();
  put(box, { x: 0, y: 0, w: placed.width, h: placed.height });
  fitView(view);
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

const placedOf = (view, found) => place(view.graph, found, widthOf(view.graph), state.both ? 2 : 5);

/** CSS pixels that a network can take from left to right. */
const roomOf = (view) => view.scroll.clientWidth || byId("graphs").clientWidth || 600;

/** Scale a network so that it fits into the window, as far as it can still be read. */
function fitView(view) {
  const { placed, box, sheet } = view;
  if (!placed) return;
  const wanted = fitted ? Math.max(SMALLEST, Math.min(1, roomOf(view) / placed.width)) : 1;
  view.scale = wanted;
  box.style.transform = wanted < 1 ? `scale(${wanted})` : "";
  // Letters shrink less than what they stand on.
  box.style.setProperty("--letters", Math.min(1.4, 1 / wanted).toFixed(3));
  sheet.style.width = `${Math.ceil(placed.width * wanted)}px`;
  sheet.style.height = `${Math.ceil(placed.height * wanted)}px`;
  view.cue();
  view.small.follow();
  drawSmall(view);
}

function drawSmall(view) {
  const here = state.node !== null && view.model === state.model;
  view.small.draw(view.placed, { chosen: here ? view.found.cardOf.get(state.node) : null, worst: worstRise(view) });
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
    : `${node.label}, ${operation(node)}`;
  card.button.setAttribute("aria-label", `${what}; ${shape(node.shape)}${errorWords(errorRow(view.model, item.node))}`);
}

function open(view, card) {
  const first = card.node.kind === "output" ? (state.frames[view.model]?.prediction?.probabilities?.[0]?.class ?? 0) : 0;
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
  const [px, py] = [(event.clientX - box.left) / view.scale, (event.clientY - box.top) / view.scale];
  let channel = Math.floor(py / (SIZES.map + SIZES.space));
  if (formOf(node) === "numbers") {
    channel = squareAt(node.shape[0], box.width / view.scale, box.height / view.scale, px, py) ?? 0;
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
  for (const view of views.filter((one) => one?.found)) {
    const worst = worstRise(view);
    const item = view.found.items.find((one) => one.key === worst) ?? null;
    if (blamed(view.model) && state.frames[view.model]?.errors) worsts.push({ view, item });
    for (const card of view.cards.values()) {
      if (view.seen.has(card.item)) paintCard(view, card);
      paintGauge(card, errorRow(view.model, card.item.node), { worst: card.item.key === worst, reach });
      if (card.told !== card.error.textContent) describe(view, card);
      card.told = card.error.textContent;
    }
    drawSmall(view);
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
    const [h, w] = frame.image.shape.length === 3 ? frame.image.shape.slice(1) : [1, 1];
    drawInput(ctx, frame.image, 0, 0, width, Math.min(height, (width * h) / w));
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
  for (const view of views.filter((one) => one?.found)) {
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
    drawSmall(view);
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
