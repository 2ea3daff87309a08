// The two feature maps of the arithmetic: the input with the window of a unit, and the output with the unit.

import { inks } from "./colors.js";
import { el, say, sized } from "./dom.js";
import { fillLegend, makeLegend } from "./legend.js";
import { draw, drawNumbers, drawInput, extent, formOf, mapOf, sides, squareAt, squares, valueAt } from "./maps.js";
import { number } from "./numbers.js";
import { isSeries, nodeOf, set, state } from "./state.js";

const SIDE = 144;

/** CSS pixels of a drawn map with so many rows and columns. */
function boxOf(form, rows, columns, count, room = SIDE) {
  if (form === "lines") return [240, 120];
  if (form === "numbers") {
    const grid = squares(count, 150, 150);
    return [150, Math.ceil(Math.ceil(count / grid.columns) * grid.size)];
  }
  const scale = room / Math.max(rows, columns);
  return [columns * scale, rows * scale];
}

function figure(className, title) {
  const caption = el("figcaption", {}, title);
  const canvas = el("canvas", { "aria-hidden": "true" });
  const marker = el("div", { class: "marker", "aria-hidden": "true" });
  const field = el("div", { class: "field" }, canvas, marker);
  const legend = makeLegend();
  const element = el("figure", { class: `map ${className}` }, caption, field, legend);
  return { element, caption, canvas, marker, field, legend };
}

function mark(marker, x, y, width, height) {
  const least = 6;
  const grow = (at, size) => (size < least ? [at - (least - size) / 2, least] : [at, size]);
  const [left, wide] = grow(x, width);
  const [top, tall] = grow(y, height);
  marker.hidden = false;
  marker.style.transform = `translate(${left}px, ${top}px)`;
  marker.style.width = `${wide}px`;
  marker.style.height = `${tall}px`;
}

/** The map that the unit is in: click or arrow keys choose another unit. */
export function outputMap(here, { pick, channel }) {
  const { node, model } = here;
  const form = formOf(node);
  const [rows, columns] = sides(node);
  const [width, height] = boxOf(form, rows, columns, node.shape[0]);
  const made = figure("out", el("span", { text: node.label }));
  const { field, canvas } = made;
  field.tabIndex = 0;
  field.setAttribute("role", "application");
  field.setAttribute("aria-roledescription", "feature map");
  field.id = "out-map";
  size(field, width, height);
  const unitAt = (event) => {
    const rect = field.getBoundingClientRect();
    const [px, py] = [event.clientX - rect.left, event.clientY - rect.top];
    return form === "numbers" ? squareAt(node.shape[0], 150, 150, px, py) : { row: Math.floor((py / height) * rows), col: Math.floor((px / width) * columns) };
  };
  let held = false;
  const choose = (event) => {
    const at = unitAt(event);
    if (form !== "numbers") pick(at);
    else if (at !== null) channel(at);
  };
  field.addEventListener("pointerdown", (event) => {
    held = true;
    field.setPointerCapture(event.pointerId);
    choose(event);
  });
  field.addEventListener("pointermove", (event) => held && choose(event));
  for (const kind of ["pointerup", "pointercancel"]) field.addEventListener(kind, () => (held = false));
  field.addEventListener("keydown", (event) => {
    const go = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (!go || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    if (form === "numbers") channel(Math.max(0, Math.min(node.shape[0] - 1, state.channel + go[0] + go[1])));
    else pick({ row: state.unit.row + go[0], col: state.unit.col + go[1] });
  });

  function paint() {
    const map = mapOf(model, node.id, form === "numbers" ? 0 : state.channel);
    const ctx = sized(canvas, width, height);
    ctx.clearRect(0, 0, width, height);
    if (map) draw(ctx, node, map, 0, 0, width, form === "numbers" ? 150 : height);
    fillLegend(made.legend, form === "lines" ? null : map);
    if (!state.unit) return;
    const { row, col } = state.unit;
    if (form === "numbers") {
      const grid = squares(node.shape[0], 150, 150);
      mark(made.marker, (state.channel % grid.columns) * grid.size, Math.floor(state.channel / grid.columns) * grid.size, grid.size, grid.size);
    } else {
      mark(made.marker, (col / columns) * width, (row / rows) * height, width / columns, height / rows);
      if (here.playing && form === "maps") veil(ctx, row, col);
    }
    made.caption.firstChild.textContent = form === "numbers" ? node.label : `${node.label}, channel ${state.channel}`;
    field.setAttribute("aria-label", `${node.label}, channel ${state.channel}; row ${row}, column ${col}${map && form === "maps" ? `: ${number(near(map, row, col), 3)}` : ""}. Arrow keys choose another unit.`);
  }

  function near(map, row, col) {
    const [h, w] = extent(map);
    return valueAt(map, Math.floor((row * h) / rows), Math.floor((col * w) / columns));
  }

  /** What has not been computed yet while the window slides. */
  function veil(ctx, row, col) {
    ctx.save();
    ctx.globalAlpha = 0.86;
    ctx.fillStyle = inks().card;
    const [y, dy] = [(row / rows) * height, height / rows];
    const x = ((col + 1) / columns) * width;
    ctx.fillRect(x, y, width - x, dy);
    ctx.fillRect(0, y + dy, width, height - y - dy);
    ctx.restore();
  }

  paint();
  return { element: made.element, paint };
}

/**
 * The map that the unit looks at: its window, and the padding around it. Of what is made of two
 * outputs, a sum, each has its own.
 */
export function inputMap(here, which) {
  const { model } = here;
  const title = el("button", { type: "button", class: "quiet" });
  const made = figure("in", title);
  made.element.hidden = true;
  let source = null;
  let answer = null;
  let input = null;
  title.addEventListener("click", () => {
    if (!source) return;
    const numbers = formOf(source) === "numbers";
    const channel = answer.kind === "add" || numbers ? (numbers ? (input ?? 0) : state.channel) : (input ?? 0);
    set({ node: source.id, channel, unit: numbers ? { row: 0, col: 0 } : middleOf(answer.window, source), tab: source.kind === "input" ? "maps" : "unit" });
    say(`${source.label} is open.`);
  });

  function show(next, channel) {
    answer = next;
    input = channel;
    const alone = which === 0 || next.kind === "add" || next.kind === "product";
    source = alone ? nodeOf(model, next.input_nodes?.[which] ?? null) : null;
    made.element.hidden = !source;
    if (source) paint();
  }

  function paint() {
    if (!source || !answer) return;
    const form = formOf(source);
    const [rows, columns] = sides(source);
    const [padRow, padCol] = padding(answer, rows, columns);
    const [width, height] = boxOf(form, rows + 2 * padRow, columns + 2 * padCol, source.shape[0]);
    size(made.field, width, height);
    made.field.classList.toggle("padded", form === "maps" && padRow + padCol > 0);
    const [sx, sy] = form === "maps" ? [width / (columns + 2 * padCol), height / (rows + 2 * padRow)] : [width / columns, height];
    const [w, h] = form === "maps" ? [columns * sx, rows * sy] : [width, height];
    const shown = form === "numbers" ? 0 : answer.kind === "add" ? state.channel : Math.min(input ?? 0, source.shape[0] - 1);
    const ctx = sized(made.canvas, w, h);
    made.canvas.style.transform = form === "maps" ? `translate(${padCol * sx}px, ${padRow * sy}px)` : "";
    ctx.clearRect(0, 0, w, h);
    const map = mapOf(model, source.id, shown);
    if (form === "numbers") map && drawNumbers(ctx, map, 0, 0, 150, 150);
    else if (map) draw(ctx, source, map, 0, 0, w, h);
    else if (source.kind === "input" && state.frames[model]) drawInput(ctx, state.frames[model].image, 0, 0, w, h);
    fillLegend(made.legend, form === "lines" ? null : map);
    title.textContent = form === "numbers" ? source.label : `${source.label}, channel ${shown}`;
    title.title = `Open ${source.label}`;
    const window = answer.window ?? ownPlace(here.node, source, answer);
    if (form === "numbers" || !window) made.marker.hidden = true;
    else if (form === "lines" || isSeries(model)) mark(made.marker, window.c0 * sx, 0, (window.c1 - window.c0) * sx, height);
    else mark(made.marker, (window.c0 + padCol) * sx, (window.r0 + padRow) * sy, (window.c1 - window.c0) * sx, (window.r1 - window.r0) * sy);
  }

  return { element: made.element, show, paint };
}

/** Of what works number by number: the same place in the map that comes in. */
function ownPlace(node, source, { row, col }) {
  const [a, b] = [sides(node), sides(source)];
  if (node.shape.length !== source.shape.length || a[0] !== b[0] || a[1] !== b[1]) return null;
  return { r0: row, r1: row + 1, c0: col, c1: col + 1 };
}

/** Rows and columns of padding that are drawn around a map. */
function padding({ padding: given, window }, rows, columns) {
  const pair = Array.isArray(given) ? [given[0] ?? 0, given[1] ?? given[0] ?? 0] : [given ?? 0, given ?? 0];
  if (!window) return [0, 0];
  const row = Math.max(pair[0], -window.r0, window.r1 - rows, 0);
  const col = Math.max(pair[1], -window.c0, window.c1 - columns, 0);
  return rows === 1 ? [0, col] : [Math.min(row, rows), Math.min(col, columns)];
}

function middleOf(window, node) {
  const [rows, columns] = sides(node);
  if (!window) return { row: Math.floor(rows / 2), col: Math.floor(columns / 2) };
  const clip = (v, n) => Math.max(0, Math.min(n - 1, v));
  return { row: clip((window.r0 + window.r1 - 1) >> 1, rows), col: clip((window.c0 + window.c1 - 1) >> 1, columns) };
}

function size(element, width, height) {
  element.style.width = `${width}px`;
  element.style.height = `${height}px`;
}
