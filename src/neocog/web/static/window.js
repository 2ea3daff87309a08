// A window over a map: patch × kernel = products, and the sum over the input maps; or pooling.

import { bothWays, paint } from "./colours.js";
import { el, perRow, roving, tabStop } from "./dom.js";
import { formOf, mapOf } from "./maps.js";
import { cell, largest, number } from "./numbers.js";
import { nodeOf } from "./state.js";

/** Matrices up to this side print their numbers. */
const PRINTED = 8;

/** The view of a convolution. */
export function convolution(here, answer, choose) {
  const grids = { patch: matrix("patch"), kernel: matrix("kernel"), products: matrix("products", true) };
  const reading = el("p", { class: "reading soft", "aria-live": "polite" });
  const sum = el("b");
  const product = el("div", { class: "product" },
    grids.patch.element, op("×"), grids.kernel.element, op("="), grids.products.element,
    el("span", { class: "op sigma" }, "Σ ", sum));
  const chips = el("div", { class: "chips", role: "group", "aria-label": "Sum of each input map" });
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
    const outside = outsideOf(next, source);
    const most = [largest(now.patch), largest(now.kernel ?? [[0]]), largest(now.products ?? [[0]])];
    grids.patch.show(now.patch, most[0], "amounts", outside, scaleOf(here, source, now));
    grids.kernel.show(now.kernel, most[1], "both");
    grids.products.show(now.products, most[2], "both");
    sum.textContent = number(now.sum, 4);
    reading.textContent = inputs.length > 1 ? `Input map ${now.channel}: ${now.patch.length * now.patch[0].length} products` : "";
    showChips(next, inputs);
  }

  function showChips(next, inputs) {
    const rest = next.inputs.find((i) => i.rest)?.rest ?? next.rest ?? null;
    const count = inputs.length + (rest?.count ?? 0);
    over.textContent = count > 1 ? `Sum over ${number(count)} input maps` : "";
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
      chip.setAttribute("aria-label", `Input map ${one.channel}, sum ${number(one.sum, 3)}`);
      if (chips.children[at] !== chip) chips.insertBefore(chip, chips.children[at] ?? null);
    });
    chips.querySelector(".rest")?.remove();
    if (rest) chips.append(el("span", { class: "chip rest" }, el("span", { class: "soft", text: `${number(rest.count)} more` }), el("b", { text: number(rest.sum, 3) })));
    tabStop(chips.querySelectorAll("button"), made.get(now.channel));
  }

  return { element, show, theme: () => last && show(last, now?.channel) };
}

/** The view of a pooling window. */
export function pooling(here, answer) {
  const patch = matrix("patch", true);
  const told = el("p", { class: "verdict-line" });
  const element = el("div", { class: "pooling" }, el("div", { class: "product" }, patch.element, op("→"), told));
  let last = null;
  function show(next) {
    last = next;
    const one = next.inputs?.[0];
    if (!one) return;
    const source = nodeOf(here.model, next.input_nodes?.[0] ?? null);
    patch.show(one.patch, largest(one.patch), "amounts", outsideOf(next, source), scaleOf(here, source, one));
    const values = one.patch.flat().filter((v) => v !== null);
    const best = next.kind === "max_pool" ? Math.max(...values) : null;
    patch.best(one.patch, (v) => v === best);
    const steps = (next.steps ?? []).flatMap((step) => [el("span", { class: "op", text: "›" }), el("span", { class: "term" }, el("span", { class: "soft", text: step.label }), el("b", { text: number(step.value, 5) }))]);
    told.replaceChildren(el("span", { class: "soft", text: `${number(values.length)} numbers` }), ...steps);
  }
  return { element, show, theme: () => last && show(last) };
}

const op = (text) => el("span", { class: "op", text, "aria-hidden": "true" });

function tint(element, value, most) {
  const { background, ink } = paint("both", bothWays(value, most));
  element.style.background = background;
  element.style.color = ink;
}

/** The scale of the map that a patch is cut from, so that a number has one colour. */
function scaleOf(here, source, one) {
  const map = source && formOf(source) !== "numbers" ? mapOf(here.model, source.id, one.channel) : null;
  return map ? { both: map.lo < 0, most: Math.max(Math.abs(map.lo), Math.abs(map.hi)) } : null;
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

/** A small matrix of coloured cells with numbers; large ones show colours and tell on pointing. */
function matrix(name, reached = false) {
  const table = el("table", { class: "cells" });
  // One of the matrices is walked with the keyboard: a tab stop, and arrow keys within.
  if (reached) roving(table, "td", () => cells[0]?.length ?? 1);
  const element = el("figure", { class: `matrix ${name}` }, el("figcaption", { class: "soft", text: name }), table);
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
    show(rows, most, kind, outside = () => false, scale = null) {
      element.hidden = !rows;
      if (!rows) return;
      const [height, width] = [rows.length, rows[0].length];
      if (cells.length !== height || cells[0]?.length !== width) lay(height, width);
      const print = Math.max(height, width) <= PRINTED;
      const negative = kind === "both" || (scale ? scale.both : rows.some((row) => row.some((v) => v < 0)));
      const end = scale?.most || most;
      rows.forEach((row, i) => row.forEach((value, j) => {
        const td = cells[i][j];
        const padded = outside(i, j, height, width);
        const { background, ink } = negative ? paint("both", bothWays(value, end)) : paint("amount", end > 0 ? value / end : 0);
        td.style.background = padded ? "" : background;
        td.style.color = padded ? "" : ink;
        td.className = padded ? "gap" : "";
        td.textContent = print ? cell(value, most, Math.max(height, width) > 3 && most < 1 ? 2 : 3) : "";
        td.title = number(value, 6);
      }));
    },
    point(i, j) {
      for (const row of cells) for (const td of row) td.classList.toggle("at", Number(td.dataset.i) === i && Number(td.dataset.j) === j);
    },
    /** Frame the cells whose number is the wanted one. */
    best(rows, is) {
      rows.forEach((row, i) => row.forEach((value, j) => cells[i][j].classList.toggle("best", is(value))));
    },
  };
}
