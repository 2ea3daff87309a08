// Where the image comes from: the dataset, the file system, the clipboard; which is next.

import { Refused, leave, imageAddress, images, sendImage } from "./api.js";
import { byId, modal, el, perRow, roving, tabStop, toast, write } from "./dom.js";
import { percent } from "./numbers.js";
import { REST, on, set, state } from "./state.js";

const PER = 60;
const SORTS = { index: "by index", label: "by label", prediction: "by prediction", uncertain: "most uncertain first", incorrect: "errors, most confident first" };
let made = null;
let query = { split: null, sort: "index", page: 0 };
let serial = 0;
let taken = 0;

/** Buttons, drop and paste. */
export function start() {
  byId("pick").addEventListener("click", open);
  byId("before").addEventListener("click", () => neighbor(-1));
  byId("after").addEventListener("click", () => neighbor(1));
  on("frames", name);
  addEventListener("paste", (event) => {
    const file = [...(event.clipboardData?.files ?? [])].find((f) => f.type.startsWith("image/"));
    if (file) take(file, file.name || "pasted image");
  });
  drops();
}

/** Look at an image by its id. */
export function look(id, label = id) {
  taken++;
  set({ image: id, imageName: label });
}

/**
 * Hand an image over to the program and look at it; not when another was chosen meanwhile, or
 * handed over later. Each state of a drawing takes the place of the one before.
 */
export async function take(blob, label, { drawn = false } = {}) {
  const mine = ++taken;
  try {
    const sent = await sendImage(blob, { drawn });
    if (mine !== taken) return false;
    set({ image: sent.id, imageName: label, motion: { ...REST, padding: state.motion.padding } });
    return true;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (mine === taken || !drawn) toast(error.message, "fault");
    return false;
  }
}

/** The next image of the split, or the one before. */
export function neighbor(by) {
  const [split, index] = (state.image ?? "").split(":");
  const count = state.about?.data?.splits?.[split];
  if (!count) return;
  look(`${split}:${(Number(index) + by + count) % count}`);
}

function name() {
  write(byId("image-name"), state.imageName);
  const own = !state.about?.data || state.image?.startsWith("own:");
  byId("before").disabled = own;
  byId("after").disabled = own;
}

function drops() {
  const veil = byId("drop");
  let depth = 0;
  addEventListener("dragenter", (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    depth++;
    veil.classList.add("shown");
  });
  addEventListener("dragleave", () => {
    depth = Math.max(0, depth - 1);
    if (!depth) veil.classList.remove("shown");
  });
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    depth = 0;
    veil.classList.remove("shown");
    const file = event.dataTransfer?.files[0];
    if (file) take(file, file.name);
  });
}

/** The dialog with the images of the data. */
export function open() {
  made ??= build();
  made.dialog.showModal();
  if (state.about.data) load();
}

function build() {
  const { dialog, body } = modal("Choose an image", { look: "wide" });
  const file = el("input", { type: "file", id: "file", accept: "image/*", onchange: async () => {
    if (file.files[0] && (await take(file.files[0], file.files[0].name))) dialog.close();
    file.value = "";
  } });
  const upload = el("label", { class: "upload" }, "Your own image: ", file);
  const hint = el("p", { class: "hint", text: "You can also drop an image anywhere on the page, or paste one." });
  const grid = el("div", { class: "images", role: "group", "aria-label": "Images" });
  const where = el("span", { class: "soft" });
  roving(grid, "button", () => perRow(grid.children));
  dialog.addEventListener("close", () => leave("images"));
  const parts = [el("div", { class: "row spread" }, upload, hint)];
  const data = state.about.data;
  if (data) {
    const splits = Object.keys(data.splits);
    const split = el("select", { "aria-label": "Split" }, splits.map((s) => el("option", { value: s, text: `${s} (${data.splits[s].toLocaleString("en-US")})` })));
    split.value = state.image?.split(":")[0] in data.splits ? state.image.split(":")[0] : splits.at(-1);
    const sort = el("select", { "aria-label": "Order" }, Object.entries(SORTS).map(([value, text]) => el("option", { value, text })));
    query = { split: split.value, sort: sort.value, page: 0 };
    const change = (more) => {
      query = { ...query, page: 0, ...more };
      load();
    };
    split.addEventListener("change", () => change({ split: split.value }));
    sort.addEventListener("change", () => change({ sort: sort.value }));
    const earlier = el("button", { type: "button", class: "icon", "aria-label": "Previous images", text: "‹", onclick: () => change({ page: Math.max(0, query.page - 1) }) });
    const later = el("button", { type: "button", class: "icon", "aria-label": "Next images", text: "›", onclick: () => change({ page: query.page + 1 }) });
    parts.push(el("div", { class: "row" }, split, sort, earlier, where, later), grid);
  }
  body.append(...parts);
  return { dialog, grid, where };
}

async function load() {
  const { grid, where, dialog } = made;
  const mine = ++serial;
  grid.classList.add("waiting");
  try {
    const found = await images({ ...query, model: state.model, per: PER });
    if (mine !== serial) return;
    const from = query.page * PER;
    if (!found.items.length && query.page > 0) {
      query.page = Math.max(0, Math.ceil(found.total / PER) - 1);
      load();
      return;
    }
    where.textContent = found.total ? `${from + 1}–${from + found.items.length} of ${found.total.toLocaleString("en-US")}${among(found)}` : "none";
    grid.replaceChildren(...found.items.map((item) => tile(item, dialog)));
    tabStop(grid.children, grid.querySelector('[aria-current="true"]'));
    if (dialog.contains(document.activeElement) && document.activeElement.matches(".head button")) {
      grid.querySelector('[tabindex="0"]')?.focus({ preventScroll: true });
    }
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (mine === serial && error.status !== 409) toast(error.message, "fault");
  } finally {
    if (mine === serial) grid.classList.remove("waiting");
  }
}

/** Orders that need predictions look at the first samples alone. */
function among({ predicted: count }) {
  const all = state.about.data.splits[query.split] ?? 0;
  return count && all > count ? `, among the first ${count.toLocaleString("en-US")} of ${all.toLocaleString("en-US")}` : "";
}

function tile(item, dialog) {
  const label = item.label?.name ?? "";
  const predicted = item.prediction?.name ?? null;
  const wrong = predicted !== null && label !== "" && predicted !== label;
  const series = state.about.models[state.model].size.length === 1;
  const shown = series ? el("span", { class: "series", text: item.name }) : el("img", { src: imageAddress(item.id, state.model), alt: "", loading: "lazy", decoding: "async" });
  return el("button", { type: "button", class: `tile ${wrong ? "wrong" : ""}`, title: item.name, tabindex: "-1",
    "aria-current": item.id === state.image ? "true" : null,
    "aria-label": [item.name, label, predicted !== null ? `predicted ${predicted}${item.p !== undefined ? ` ${percent(item.p)}` : ""}` : ""].filter(Boolean).join(", "),
    onclick: () => {
      look(item.id, item.name);
      dialog.close();
    } }, shown, el("span", { class: "name", text: label }), wrong ? el("span", { class: "predicted", text: `✗ ${predicted}` }) : null);
}
