// The images that the network takes for most alike the one on show: computed when they are opened.

import { Refused, imageAddress, leave, neighbors } from "./api.js";
import { byId, el } from "./dom.js";
import { look } from "./images.js";
import { number } from "./numbers.js";
import { on, state } from "./state.js";

let place = null;
let box = null;
let serial = 0;

/** Offered where there are images to search, and never in a saved page. */
export function start() {
  const { about } = state;
  const images = about.models.every((model) => model.signal === "image");
  if (about.saved || about.data?.synthetic || !images) return;
  place = el("div", { class: "near", "aria-live": "polite" });
  box = el("details", { id: "near", ontoggle: load }, el("summary", { text: "Nearest images" }), place);
  byId("near-box").append(box);
  on("image model", load);
}

async function load() {
  const mine = ++serial;
  if (!box.open || !state.image) {
    leave("neighbors");
    return;
  }
  const { model, image } = state;
  place.replaceChildren(el("p", { class: "busy", text: "Searching the images …" }));
  try {
    const found = await neighbors(model, image);
    if (mine === serial) show(found, model);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (mine === serial) place.replaceChildren(el("p", { class: "soft", text: error.message }));
  }
}

function show(found, model) {
  const items = found.neighbors.map((one) => el("li", {}, el("button", {
    type: "button", title: "Show this image", onclick: () => look(one.image),
    "aria-label": `${one.image}, ${one.label ?? "no label"}${one.other ? ", another label" : ""}, similarity ${number(one.similarity, 2)}; show this image`,
  }, el("img", { src: imageAddress(one.image, model), alt: "" }),
  el("span", { class: one.other ? "wrong" : "soft", text: `${one.other ? "✗ " : ""}${one.label ?? ""}` }),
  el("span", { class: "soft", text: number(one.similarity, 2) }))));
  place.replaceChildren(el("ol", { "aria-label": "Nearest images, the nearest first" }, items), el("p", { class: "note", text: found.note }));
}
