// The learned kernels of a convolution, a page at a time, and the Gabor functions that fit the first ones.

import { Refused, kernels, leave } from "./api.js";
import { scale } from "./colors.js";
import { el, sized } from "./dom.js";
import { fillLegend, makeLegend } from "./legend.js";
import { number, percent } from "./numbers.js";
import { set, state } from "./state.js";

/** CSS pixels of a plane: large where there are few. */
const [LARGE, SMALL] = [64, 34];
const PLANES = 8;
const WAYS = { planes: "one input channel each", rgb: "RGB composite, gray is zero" };

/** All kernels of a node. */
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
    el("button", { type: "button", class: "icon", "aria-label": "Previous kernels", text: "‹", onclick: () => turn(-1) }), where,
    el("button", { type: "button", class: "icon", "aria-label": "Next kernels", text: "›", onclick: () => turn(1) }));
  pager.hidden = true;
  const way = el("select", { "aria-label": "How kernels are drawn", hidden: true, onchange: () => last && show(last) },
    Object.entries(WAYS).map(([value, text]) => el("option", { value, text })));
  box.append(el("div", { class: "row" }, pager, way), place);

  async function load() {
    const mine = ++serial;
    if (!last) place.replaceChildren(el("p", { class: "busy", text: "Reading the weights …" }));
    try {
      const found = await kernels(model, node.id, page);
      if (mine !== serial) return;
      pages = found.pages ?? Math.ceil(found.shape[0] / Math.max(1, found.kernels.length));
      show(found);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (mine === serial) place.replaceChildren(el("p", { class: "soft", text: error.message }));
    }
  }

  function show(found) {
    last = found;
    const [outs, ins] = found.shape;
    const first = found.kernels[0]?.out ?? 0;
    const count = found.kernels.length;
    pager.hidden = count >= outs;
    where.textContent = `${first}–${first + count - 1} of ${number(outs)}`;
    way.hidden = ins !== 3;
    const rgb = ins === 3 && way.value === "rgb";
    const some = ins > PLANES ? ` The first ${PLANES} of ${number(ins)} input channels of each are shown.` : "";
    const legend = makeLegend();
    if (!rgb) fillLegend(legend, found);
    place.replaceChildren(el("p", { class: "hint", text: `${number(outs)} kernels of ${found.shape.slice(1).join(" × ")}.${some}` }), legend,
      el("div", { class: "kernels" }, found.kernels.map((one) => kernel(one, found, rgb))), gabor(found.gabor));
  }

  function kernel(one, found, rgb) {
    const most = Math.max(Math.abs(found.lo), Math.abs(found.hi)) || 1;
    const planes = rgb ? [one.planes] : one.planes.slice(0, PLANES).map((plane) => [plane]);
    const fit = found.gabor?.explained?.[one.out];
    const title = fit === null || fit === undefined ? `Kernel ${one.out}` : `Kernel ${one.out}: a Gabor function explains ${percent(fit)} of it`;
    return el("button", { type: "button", class: "kernel", title, "aria-label": `Kernel ${one.out}; open its feature map`,
      onclick: () => set({ channel: one.out, unit: null, tab: "unit" }) },
      el("span", { class: "planes" }, planes.map((group) => {
        const canvas = el("canvas", { "aria-hidden": "true" });
        drawKernel(canvas, group, most, found.shape[0] * planes.length <= 64 ? LARGE : SMALL);
        return canvas;
      })), el("span", { class: "soft", text: String(one.out) }));
  }

  load();
  const close = () => {
    serial++;
    leave("kernels");
  };
  return { update: (why) => why === "theme" && last && show(last), close };
}

/** One plane on the scale of all signed values; three as a color image about gray. */
function drawKernel(canvas, planes, most, plain) {
  const [height, width] = [planes[0].length, planes[0][0].length];
  const side = planes.length === 3 ? LARGE : plain;
  const tall = Math.max(6, (side * height) / width);
  const ctx = sized(canvas, side, tall);
  const [dx, dy] = [side / width, tall / height];
  const colors = scale("diverging");
  for (let i = 0; i < height; i++) {
    for (let j = 0; j < width; j++) {
      const shares = planes.map((plane) => Math.min(1, Math.max(0, 0.5 + (0.5 * plane[i][j]) / most)));
      const rgb = planes.length === 3 ? shares.map((s) => Math.round(255 * s)) : colors[Math.round(255 * shares[0])];
      ctx.fillStyle = `rgb(${rgb.join(" ")})`;
      ctx.fillRect(j * dx, i * dy, dx + 0.5, dy + 0.5);
    }
  }
}

/** How much of the kernels Gabor functions explain, and how much they would explain of noise. */
function gabor(found) {
  const known = (found?.explained ?? []).filter((v) => v !== null).sort((a, b) => a - b);
  if (!known.length) return el("span");
  const middle = known[Math.floor(known.length / 2)];
  const noise = found.noise === null || found.noise === undefined ? "" : `; of random kernels ${percent(found.noise)}`;
  return el("p", { class: "note", text: `Gabor functions explain ${percent(middle)} of the median of ${known.length} kernels${noise}.` });
}
