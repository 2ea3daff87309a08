// The learned kernels of a convolution as pictures, and the Gabor functions that fit the first ones.

import { Refused, filters, leave } from "./api.js";
import { scale } from "./colours.js";
import { el, sized } from "./dom.js";
import { number, percent } from "./numbers.js";
import { set, state } from "./state.js";

const SIDE = 58;
const PLANES = 8;

/** All kernels of a node, a page at a time. */
export function open(node, box) {
  const model = state.model;
  let page = 0;
  let serial = 0;
  let last = null;
  let pages = 1;
  const place = el("div", { "aria-live": "polite" });
  const where = el("span", { class: "soft" });
  const turn = (by) => {
    const next = Math.max(0, Math.min(pages - 1, page + by));
    if (next === page) return;
    page = next;
    load();
  };
  const pager = el("div", { class: "row" },
    el("button", { type: "button", class: "icon", "aria-label": "Earlier filters", text: "‹", onclick: () => turn(-1) }), where,
    el("button", { type: "button", class: "icon", "aria-label": "Later filters", text: "›", onclick: () => turn(1) }));
  pager.hidden = true;
  box.append(pager, place);

  async function load() {
    const mine = ++serial;
    if (!last) place.replaceChildren(el("p", { class: "busy", text: "Reading the filters …" }));
    try {
      const found = await filters(model, node.id, page);
      if (mine !== serial) return;
      pages = found.pages ?? Math.ceil(found.shape[0] / Math.max(1, found.filters.length));
      show(found);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (mine === serial) place.replaceChildren(el("p", { class: "soft", text: error.message }));
    }
    return undefined;
  }

  function show(found) {
    last = found;
    const [outs, ins] = found.shape;
    const first = found.filters[0]?.out ?? 0;
    const count = found.filters.length;
    pager.hidden = count >= outs;
    where.textContent = `${first}–${first + count - 1} of ${number(outs)}`;
    const colour = ins === 3;
    const words = `${number(outs)} kernels of ${found.shape.slice(1).join(" × ")}, from ${number(found.lo, 3)} to ${number(found.hi, 3)}. ${
      colour ? "Drawn in the colours that they weigh, grey is zero." : ins > PLANES ? `The first ${PLANES} of ${number(ins)} planes of each.` : "Orange adds, blue takes away."}`;
    place.replaceChildren(el("p", { class: "hint", text: words }),
      el("div", { class: "filters" }, found.filters.map((one) => filter(one, found, colour))), gabor(found.gabor));
  }

  function filter(one, found, colour) {
    const most = Math.max(Math.abs(found.lo), Math.abs(found.hi)) || 1;
    const planes = colour ? [one.planes] : one.planes.slice(0, PLANES).map((plane) => [plane]);
    const fit = found.gabor?.explained?.[one.out];
    return el("button", { type: "button", class: "filter", title: fit === null || fit === undefined ? `Filter ${one.out}` : `Filter ${one.out}: a Gabor function explains ${percent(fit)}`, "aria-label": `Filter ${one.out}; look at its map`,
      onclick: () => set({ channel: one.out, unit: null, tab: "unit" }) },
      el("span", { class: "planes" }, planes.map((group) => {
        const canvas = el("canvas", { "aria-hidden": "true" });
        drawKernel(canvas, group, most);
        return canvas;
      })), el("span", { class: "soft", text: String(one.out) }));
  }

  load();
  const close = () => {
    serial++;
    leave("filters");
  };
  return { update: (why) => why === "theme" && last && show(last), close };
}

/** Three planes are a colour picture about grey; one plane goes both ways from zero. */
function drawKernel(canvas, planes, most) {
  const [height, width] = [planes[0].length, planes[0][0].length];
  const side = planes.length === 3 ? SIDE : 34;
  const ctx = sized(canvas, side, Math.max(6, (side * height) / width));
  const [dx, dy] = [side / width, Math.max(6, (side * height) / width) / height];
  const colours = scale("both");
  for (let i = 0; i < height; i++) {
    for (let j = 0; j < width; j++) {
      const shares = planes.map((plane) => 0.5 + (0.5 * plane[i][j]) / most);
      const rgb = planes.length === 3 ? shares.map((s) => Math.round(255 * s)) : colours[Math.round(255 * Math.min(1, Math.max(0, shares[0])))];
      ctx.fillStyle = `rgb(${rgb.join(" ")})`;
      ctx.fillRect(j * dx, i * dy, dx + 0.5, dy + 0.5);
    }
  }
}

/** How much of each filter a Gabor function explains, and what it would explain of noise. */
function gabor(found) {
  const known = (found?.explained ?? []).filter((v) => v !== null).sort((a, b) => a - b);
  if (!known.length) return el("span");
  const middle = known[Math.floor(known.length / 2)];
  const floor = found.floor === null || found.floor === undefined ? "" : `; of filters of noise it would be ${percent(found.floor)}`;
  return el("p", { class: "note", text: `Fitted with Gabor functions, which explain ${percent(middle)} of the middle one of ${known.length} filters${floor}.` });
}
