// What a channel responds to: the patches with the highest activation, and an input made for it.

import { Refused, imageAddress, leave, topActivations } from "./api.js";
import { inks } from "./colors.js";
import { el, sized } from "./dom.js";
import { number } from "./numbers.js";
import { look } from "./images.js";
import { set, state } from "./state.js";

const SIDE = 116;

/** Top patches and the made input for one channel of a node. */
export function open(node, box) {
  const model = state.model;
  let serial = 0;
  let last = null;
  const channel = el("input", { type: "number", min: 0, max: node.shape[0] - 1, value: state.channel, "aria-label": "Channel",
    onchange: () => set({ channel: Math.max(0, Math.min(node.shape[0] - 1, Math.round(Number(channel.value)) || 0)) }) });
  const place = el("div", { class: "top", "aria-live": "polite" });
  box.append(el("div", { class: "row" }, el("span", { class: "soft", text: `channel (of ${number(node.shape[0])}):` }), channel), place);

  async function load() {
    const mine = ++serial;
    channel.value = state.channel;
    place.replaceChildren(el("p", { class: "busy", text: "Searching the images for the highest activations of this channel …" }));
    // Who steps through the channels asks for the one that they stop at.
    await new Promise((done) => setTimeout(done, 200));
    if (mine !== serial) return;
    try {
      const found = await topActivations(model, node.id, state.channel);
      if (mine === serial) show(found);
      last = mine === serial ? found : last;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (mine === serial) place.replaceChildren(el("p", { class: "soft", text: error.message }));
    }
  }

  function show(found) {
    const parts = [];
    if (found.maximized) {
      const address = found.maximized.startsWith("data:") ? found.maximized : `data:image/png;base64,${found.maximized}`;
      parts.push(el("figure", { class: "made" }, el("img", { src: address, alt: `An input that maximizes channel ${state.channel} of ${node.label}` }),
        el("figcaption", { text: "activation maximization" })));
    }
    if (found.patches?.length) parts.push(el("ol", { class: "patches", "aria-label": "Patches of the data, highest activation first" }, found.patches.map((one) => patch(one))));
    if (!parts.length) parts.push(el("p", { class: "soft", text: "There are no images to search. Start the explorer with DATA." }));
    if (found.note) parts.push(el("p", { class: "note", text: found.note }));
    place.replaceChildren(...parts);
  }

  function patch(one) {
    const canvas = el("canvas", { "aria-hidden": "true" });
    const image = new Image();
    image.addEventListener("load", () => drawPatch(canvas, image, one.window));
    image.src = imageAddress(one.image, model);
    return el("li", {}, el("button", { type: "button", title: "Show this image", "aria-label": `${one.image}, activation ${number(one.activation, 3)}; show this image`,
      onclick: () => look(one.image) }, canvas, el("span", { class: "soft", text: number(one.activation, 3) })));
  }

  load();
  const update = (why) => {
    if (why === "unit" && state.channel !== Number(channel.value)) load();
    else if (why === "theme" && last) show(last);
  };
  const close = () => {
    serial++;
    leave("top");
  };
  return { update, close };
}

/** The receptive field of the unit, with a little of what is around it, veiled. */
function drawPatch(canvas, image, window) {
  const ctx = sized(canvas, SIDE, SIDE);
  const { faint, page, mark } = inks();
  ctx.fillStyle = faint;
  ctx.fillRect(0, 0, SIDE, SIDE);
  const w = window ?? { r0: 0, c0: 0, r1: image.naturalHeight, c1: image.naturalWidth };
  const [height, width] = [w.r1 - w.r0, w.c1 - w.c0];
  const span = Math.min(Math.max(image.naturalWidth, image.naturalHeight), Math.max(height, width) * 1.5);
  const clip = (middle, size) => Math.max(0, Math.min(size - span, middle - span / 2));
  const x = clip((w.c0 + w.c1) / 2, image.naturalWidth);
  const y = clip((w.r0 + w.r1) / 2, image.naturalHeight);
  const scale = SIDE / span;
  ctx.drawImage(image, -x * scale, -y * scale, image.naturalWidth * scale, image.naturalHeight * scale);
  const [px, py, pw, ph] = [(w.c0 - x) * scale, (w.r0 - y) * scale, width * scale, height * scale];
  ctx.globalAlpha = 0.55;
  ctx.fillStyle = page;
  ctx.beginPath();
  ctx.rect(0, 0, SIDE, SIDE);
  ctx.rect(px, py, pw, ph);
  ctx.fill("evenodd");
  ctx.globalAlpha = 1;
  ctx.strokeStyle = mark;
  ctx.lineWidth = 2;
  ctx.strokeRect(px + 1, py + 1, Math.max(2, pw - 2), Math.max(2, ph - 2));
}
