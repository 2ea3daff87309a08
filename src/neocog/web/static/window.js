// A window over a feature map: patch × kernel = products, and the sum over the input channels; or pooling.

import { signed } from "./colors.js";
import { el, perRow, roving, tabStop } from "./dom.js";
import { fillLegend, makeLegend } from "./legend.js";
import { formOf, mapOf } from "./maps.js";
import { cell, largest, number } from "./numbers.js";
import { nodeOf } from "./state.js";

/** Matrices up to this side print their values. */
const PRINTED = 8;

/** The view of a convolution. */
export function convolution(here, answer, choose) {
  const grids = { patch: matrix("patch"), kernel: matrix("kernel"), products: matrix("products", true) };
  const reading = el("p", { class: "reading soft", "aria-live": "polite" });
  const sum = el("b");
  const product = el("div", { class: "product" },
    grids.patch.element, op("×"), grids.kernel.element, op("="), grids.products.element,
    el("span", { class: "op sigma" }, "Σ ", sum));
  const chips = el("div", { class: "chips", role: "group", "aria-label": "Sum of each input channel" });
  roving(chips, "button", () => perRow(chips.children));
  const over = el("h4");
  const element = el("div", { class: "convolution" }, product, reading, over, chips);
  let now = null;
  let last = null;
  const made = new Map();

  element.addEventListener("pointerover", (event) => read(event.target.closest("td")));
  element.addEventListener("focusin", (event) => read(event.target.closest("td")));

  /** The three cells that belong together, in words. */
  function read(td) {
    if (!td || !now?.kernel) return;
    const [i, j] = [Number(td.dataset.i), Number(td.dataset.j)];
    for (const grid of Object.values(grids)) grid.point(i, j);
    reading.textContent = `${number(now.patch[i][j], 4)} × ${number(now.kernel[i][j], 4)} = ${number(now.products[i][j], 4)}`;
  }

  function show(next, channel) {
    last = next;
    const inputs = next.inputs.filter((i) => i.channel !== undefined);
    now = inputs.find((i) => i.channel === channel) ?? inputs[0];
    if (!now) return;
    const source = nodeOf(here.model, next.input_nodes?.[0] ?? null);
    grids.patch.show(now.patch, { outside: outsideOf(next, source), most: endOf(here, source, now) });
    grids.kernel.show(now.kernel);
    grids.products.show(now.products);
    sum.textContent = number(now.sum, 4);
    const count = now.patch.length * now.patch[0].length;
    reading.textContent = inputs.length > 1 ? `Input channel ${now.channel}: ${count} product${count === 1 ? "" : "s"}` : "";
    showChips(next, inputs);
  }

  function showChips(next, inputs) {
    const rest = next.inputs.find((i) => i.rest)?.rest ?? next.rest ?? null;
    const count = inputs.length + (rest?.count ?? 0);
    over.textContent = count > 1 ? `Sum over ${number(count)} input channels` : "";
    chips.hidden = count < 2;
    const most = Math.max(...inputs.map((i) => Math.abs(i.sum)), 1e-12);
    const keep = new Set(inputs.map((i) => i.channel));
    for (const [channel, chip] of made) {
      if (keep.has(channel)) continue;
      chip.remove();
      made.delete(channel);
    }
    inputs.forEach((one, at) => {
      let chip = made.get(one.channel);
      if (!chip) {
        chip = el("button", { type: "button", class: "chip", tabindex: "-1", onclick: () => choose(one.channel) }, el("span", { class: "soft", text: String(one.channel) }), el("b"));
        made.set(one.channel, chip);
      }
      chip.lastChild.textContent = number(one.sum, 3);
      tint(chip, one.sum, most);
      chip.setAttribute("aria-pressed", String(one === now));
      chip.setAttribute("aria-label", `Input channel ${one.channel}, sum ${number(one.sum, 3)}`);
      if (chips.children[at] !== chip) chips.insertBefore(chip, chips.children[at] ?? null);
    });
    chips.querySelector(".rest")?.remove();
    if (rest) chips.append(el("span", { class: "chip rest" }, el("span", { class: "soft", text: `${number(rest.count)} more` }), el("b", { text: number(rest.sum, 3) })));
    tabStop(chips.querySelectorAll("button"), made.get(now.channel));
  }

  return { element, show, theme: () => last && show(last, now?.channel) };
}

/** The view of a pooling window. */
export function pooling(here) {
  const patch = matrix("patch", true);
  const result = el("p", { class: "verdict-line" });
  const element = el("div", { class: "pooling" }, el("div", { class: "product" }, patch.element, op("→"), result));
  let last = null;
  function show(next) {
    last = next;
    const one = next.inputs?.[0];
    if (!one) return;
    const source = nodeOf(here.model, next.input_nodes?.[0] ?? null);
    patch.show(one.patch, { outside: outsideOf(next, source), most: endOf(here, source, one) });
    const values = one.patch.flat().filter((v) => v !== null);
    const best = next.kind === "max_pool" ? Math.max(...values) : null;
    patch.best(one.patch, (v) => v === best);
    const steps = (next.steps ?? []).flatMap((step) => [el("span", { class: "op", text: "›" }), el("span", { class: "term" }, el("span", { class: "soft", text: step.label }), el("b", { text: number(step.value, 5) }))]);
    result.replaceChildren(el("span", { class: "soft", text: `${number(values.length)} values` }), ...steps);
  }
  return { element, show, theme: () => last && show(last) };
}

const op = (text) => el("span", { class: "op", text, "aria-hidden": "true" });

function tint(element, value, most) {
  const { background, ink } = signed(value, most);
  element.style.background = background;
  element.style.color = ink;
}

/** The end of the scale of the map that a patch is cut from, so that a value has one color in both. */
function endOf(here, source, one) {
  const map = source && formOf(source) !== "numbers" ? mapOf(here.model, source.id, one.channel) : null;
  return (map && Math.max(Math.abs(map.lo), Math.abs(map.hi))) || largest(one.patch);
}

/** Which cells of a patch lie in the padding. */
function outsideOf({ window }, source) {
  if (!window || !source) return () => false;
  const [rows, columns] = source.shape.length === 3 ? source.shape.slice(1) : [1, source.shape.at(-1)];
  return (i, j, height, width) => {
    const row = window.r0 + spread(i, height, window.r1 - window.r0);
    const col = window.c0 + spread(j, width, window.c1 - window.c0);
    return (source.shape.length === 3 && (row < 0 || row >= rows)) || col < 0 || col >= columns;
  };
}

/** A dilated window is wider than its kernel: cell i of n in so many rows. */
const spread = (i, n, length) => (n > 1 ? Math.round((i * (length - 1)) / (n - 1)) : 0);

/** A small matrix of colored cells with their values; large ones show colors and tell on pointing. */
function matrix(name, reached = false) {
  const table = el("table", { class: "cells" });
  // One of the matrices is walked with the keyboard: a tab stop, and arrow keys within.
  if (reached) roving(table, "td", () => cells[0]?.length ?? 1);
  const scale = makeLegend();
  const element = el("figure", { class: `matrix ${name}` }, el("figcaption", { class: "soft", text: name }), table, scale);
  let cells = [];
  function lay(height, width) {
    const side = Math.max(height, width);
    table.className = `cells side-${side <= 3 ? "s" : side <= 5 ? "m" : side <= PRINTED ? "l" : "xl"}`;
    cells = Array.from({ length: height }, (_, i) => Array.from({ length: width }, (_, j) => el("td", { "data-i": i, "data-j": j, tabindex: reached ? "-1" : null })));
    table.replaceChildren(el("tbody", {}, cells.map((row) => el("tr", {}, row))));
    if (reached) tabStop(cells.flat());
  }
  return {
    element,
    /** Show rows of values on a scale that ends at ± most, or at the largest of them. */
    show(rows, { outside = () => false, most = rows && largest(rows) } = {}) {
      element.hidden = !rows;
      if (!rows) return;
      const [height, width] = [rows.length, rows[0].length];
      if (cells.length !== height || cells[0]?.length !== width) lay(height, width);
      const print = Math.max(height, width) <= PRINTED;
      const top = largest(rows);
      rows.forEach((row, i) => row.forEach((value, j) => {
        const td = cells[i][j];
        const padded = outside(i, j, height, width);
        const { background, ink } = signed(value, most);
        td.style.background = padded ? "" : background;
        td.style.color = padded ? "" : ink;
        td.className = padded ? "gap" : "";
        td.textContent = print ? cell(value, top, Math.max(height, width) > 3 && top < 1 ? 2 : 3) : "";
        td.title = number(value, 6);
      }));
      fillLegend(scale, { lo: rows.some((row) => row.some((v) => v < 0)) ? -most : 0, hi: most });
    },
    point(i, j) {
      for (const row of cells) for (const td of row) td.classList.toggle("at", Number(td.dataset.i) === i && Number(td.dataset.j) === j);
    },
    /** Frame the cells whose value is the wanted one. */
    best(rows, is) {
      rows.forEach((row, i) => row.forEach((value, j) => cells[i][j].classList.toggle("best", is(value))));
    },
  };
}
