// The lower half: one layer. Its facts, and under tabs its feature maps, arithmetic, top activations, kernels.

import { byId, el, perRow, roving, sized, tabStop } from "./dom.js";
import { refresh, wish } from "./live.js";
import { draw, formOf, mapOf, sides, squareAt, strongest } from "./maps.js";
import { number, shape } from "./numbers.js";
import { isSeries, nodeOf, on, set, state } from "./state.js";
import * as kernels from "./kernels.js";
import * as top from "./top_activations.js";
import * as unit from "./unit.js";
import { countsOf, explain, operation } from "./words.js";

const PAGE = 32;
/** CSS pixels of a tile: the fewer there are, the larger. */
const thumbOf = (node) => (node.shape[0] <= 8 ? 128 : node.shape[0] <= 16 ? 100 : 72);
/** An operation that a larger module performs itself is not a layer of its own. */
const isFree = (node) => !node.name || node.name === node.group;
const VIEWS = {
  maps: { label: "Feature maps", has: (node) => node.kind !== "input" },
  unit: { label: "Arithmetic", has: (node) => node.kind !== "input" },
  top: { label: "Top activations", has: (node) => !isFree(node) && ["conv", "linear", "norm", "activation", "pool", "add"].includes(node.kind) },
  kernels: { label: "Kernels", has: (node) => node.kind === "conv" && !isFree(node) },
};
let panel = null;
let view = null; // what fills the panel: { key, update, close, needs }
let page = 0;
let order = "index";

/** Show the node that is chosen, and keep it up to date. */
export function start() {
  on("node model tab graphs", rebuild);
  on("channel unit", () => view?.update?.("unit"));
  on("frames", () => view?.update?.("frames"));
  addEventListener("neocog-theme", () => view?.update?.("theme"));
  wish((model, left) => (model === state.model && view?.needs ? view.needs(left) : []));
  rebuild();
}

function rebuild() {
  const box = byId("inspect");
  const node = nodeOf(state.model, state.node);
  if (!node) {
    close();
    box.replaceChildren(el("p", { class: "empty", text: "Select a card to see all feature maps of a layer. Select a feature map to see how one of its values is computed." }));
    return;
  }
  const tabs = Object.keys(VIEWS).filter((tab) => VIEWS[tab].has(node));
  const tab = tabs.includes(state.tab) ? state.tab : tabs[0];
  const key = `${state.model}:${node.id}:${tab}`;
  if (view?.key === key) return;
  const focused = box.contains(document.activeElement) ? document.activeElement.id || `tab-${tab}` : null;
  close();
  panel = el("div", { class: "panel-body", role: "tabpanel", id: "tabpanel", "aria-labelledby": tab ? `tab-${tab}` : null });
  const words = explain(tab === "maps" ? formOf(node) : (tab ?? "input")) ?? "";
  box.replaceChildren(heading(node), tabList(node, tabs, tab), el("p", { class: "explain", id: "explain", text: words }), panel);
  page = 0;
  if (tab === "maps") view = allMaps(node, panel);
  else if (tab === "unit") view = unit.open(node, panel);
  else if (tab === "top") view = top.open(node, panel);
  else if (tab === "kernels") view = kernels.open(node, panel);
  if (view) view.key = key;
  if (focused) (byId(focused) ?? byId(`tab-${tab}`))?.focus({ preventScroll: true });
  refresh();
}

function close() {
  view?.close?.();
  view = null;
  if (state.field) set({ field: null });
}

function heading(node) {
  const letter = state.both ? el("span", { class: `letter m${state.model}`, text: "AB"[state.model] }) : null;
  const path = node.name && node.name !== node.label ? el("code", { text: node.name }) : null;
  const rf = node.rf ? `receptive field ${node.rf.size.join(" × ")}${isSeries() ? " samples" : ""}` : null;
  const facts = [operation(node), shape(node.shape), rf, countsOf(node)].filter(Boolean).join(" · ");
  return el("div", { class: "head" }, el("h2", {}, letter, node.label), path, el("p", { class: "hint", text: facts }));
}

function tabList(node, tabs, current) {
  const list = el("div", { class: "tabs", role: "tablist", "aria-label": "Views of this layer" },
    tabs.map((tab) => el("button", {
      type: "button", role: "tab", id: `tab-${tab}`, "aria-controls": "tabpanel", "aria-selected": String(tab === current),
      tabindex: tab === current ? "0" : "-1", onclick: () => choose(tab), text: tab === "maps" && formOf(node) === "numbers" ? "Values" : VIEWS[tab].label,
    })));
  roving(list, '[role="tab"]');
  return list;
}

function choose(tab) {
  const node = nodeOf(state.model, state.node);
  if (tab === "unit" && !state.unit) set({ unit: strongest(node, mapOf(state.model, node.id, state.channel)) ?? middle(node) });
  set({ tab });
}

const middle = (node) => {
  const [rows, columns] = sides(node);
  return { row: Math.floor(rows / 2), col: Math.floor(columns / 2) };
};

/** Every feature map of the layer, a page at a time; a vector is one field of values. */
function allMaps(node, box) {
  if (formOf(node) === "numbers") return allNumbers(node, box);
  const model = state.model;
  const thumb = thumbOf(node);
  const grid = el("div", { class: "thumbs", role: "group", "aria-label": `Feature maps of ${node.label}` });
  const pages = Math.ceil(node.shape[0] / PAGE);
  const where = el("span", { class: "soft" });
  const turn = (by) => {
    page = Math.max(0, Math.min(pages - 1, page + by));
    rebuildPage();
    refresh();
  };
  const sort = el("select", { "aria-label": "Order of the feature maps", onchange: () => { order = sort.value; page = 0; rebuildPage(); refresh(); } },
    el("option", { value: "index", text: "by channel" }), el("option", { value: "strongest", text: "highest mean activation first" }));
  sort.value = order;
  const pager = el("div", { class: "row" }, sort,
    pages > 1 ? [el("button", { type: "button", class: "icon", "aria-label": "Previous feature maps", text: "‹", onclick: () => turn(-1) }), where,
      el("button", { type: "button", class: "icon", "aria-label": "Next feature maps", text: "›", onclick: () => turn(1) })] : null);
  box.append(pager, grid);
  roving(grid, "button", () => perRow(grid.children));
  let cells = new Map();

  function rebuildPage() {
    cells = new Map();
    grid.replaceChildren();
    where.textContent = `${page * PAGE}–${Math.min(node.shape[0], (page + 1) * PAGE) - 1} of ${number(node.shape[0])}`;
    if (order === "index") {
      for (let c = page * PAGE; c < Math.min(node.shape[0], (page + 1) * PAGE); c++) add(c);
    }
    tabStop(grid.children);
  }

  function add(channel) {
    const canvas = el("canvas", { "aria-hidden": "true" });
    const range = el("span", { class: "soft" });
    const button = el("button", { type: "button", class: "thumb", tabindex: "-1", onclick: () => {
      const known = mapOf(model, node.id, channel);
      set({ channel, unit: strongest(node, known) ?? middle(node), tab: "unit" });
      byId("tab-unit")?.focus({ preventScroll: true });
    } }, canvas, el("span", { text: String(channel) }), range);
    cells.set(channel, { canvas, range, button });
    grid.append(button);
  }

  function update() {
    if (order === "strongest") arrangeStrongest();
    for (const [channel, { canvas, range, button }] of cells) {
      const map = mapOf(model, node.id, channel);
      if (!map) continue;
      const [h, w] = node.shape.length === 3 ? node.shape.slice(1) : [thumb, 2.2 * thumb];
      const tall = h > w ? thumb : (thumb * h) / w;
      const wide = node.shape.length === 2 ? 2.2 * thumb : h > w ? (thumb * w) / h : thumb;
      const ctx = sized(canvas, wide, node.shape.length === 2 ? thumb : tall);
      draw(ctx, node, map, 0, 0, wide, node.shape.length === 2 ? thumb : tall);
      range.textContent = map.lo < 0 ? `±${number(map.hi, 2)}` : `0…${number(map.hi, 2)}`;
      button.setAttribute("aria-label", `Channel ${channel}, from ${number(map.lo, 2)} to ${number(map.hi, 2)}`);
    }
  }

  function arrangeStrongest() {
    const mine = (state.frames[model]?.maps ?? []).filter((m) => m.node === node.id).slice(0, PAGE);
    if (mine.length === cells.size && mine.every((m) => cells.has(m.channel))) return;
    cells = new Map();
    grid.replaceChildren();
    for (const map of mine) add(map.channel);
    tabStop(grid.children);
  }

  rebuildPage();
  update();
  const needs = (left) => {
    if (order === "strongest") return [{ node: node.id, channels: `strongest:${Math.min(PAGE, left)}` }];
    const from = page * PAGE;
    return [{ node: node.id, channels: Array.from({ length: Math.min(PAGE, left, node.shape[0] - from) }, (_, i) => from + i) }];
  };
  return { update, needs };
}

/** A vector as squares; a square opens its arithmetic. */
function allNumbers(node, box) {
  const model = state.model;
  const canvas = el("canvas", { class: "numbers", tabindex: "0", role: "application", "aria-roledescription": "vector of values" });
  const told = el("p", { class: "soft", "aria-live": "polite" });
  const [width, height] = [Math.min(720, box.clientWidth || 600), 180];
  const openAt = (index) => set({ channel: index, unit: { row: 0, col: 0 }, tab: "unit" });
  const at = (event) => {
    const rect = canvas.getBoundingClientRect();
    return squareAt(node.shape[0], width, height, event.clientX - rect.left, event.clientY - rect.top);
  };
  canvas.addEventListener("click", (event) => {
    const index = at(event);
    if (index !== null) openAt(index);
  });
  canvas.addEventListener("pointermove", (event) => tell(at(event)));
  canvas.addEventListener("keydown", (event) => {
    const go = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === "Enter") openAt(state.channel);
    if (!go) return;
    event.preventDefault();
    set({ channel: Math.max(0, Math.min(node.shape[0] - 1, state.channel + go)) });
    tell(state.channel);
  });
  box.append(canvas, told);
  function tell(index) {
    const map = mapOf(model, node.id, 0);
    if (index === null || !map) return;
    const name = node.shape[0] === state.about.models[model].classes?.length ? ` (${state.about.models[model].classes[index]})` : "";
    told.textContent = `Unit ${index}${name}: ${number(map.lo + ((map.hi - map.lo) * map.bytes[index]) / 255, 3)}`;
  }
  function update() {
    const map = mapOf(model, node.id, 0);
    const ctx = sized(canvas, width, height);
    ctx.clearRect(0, 0, width, height);
    if (map) draw(ctx, node, map, 0, 0, width, height);
    canvas.setAttribute("aria-label", `${number(node.shape[0])} values of ${node.label}`);
    tell(state.channel);
  }
  update();
  return { update, needs: () => [{ node: node.id, channels: "first:1" }] };
}
