// Making elements. Text from outside (names of classes, files, layers) only ever becomes text.

/** An element with attributes, listeners (`onclick: f`) and children; strings become text. */
export function el(tag, props = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "text") made.textContent = value;
    else if (name === "value") made.value = value;
    else if (name === "checked") made.checked = value;
    else made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...children.flat().filter((c) => c !== null && c !== undefined));
  return made;
}

/** An SVG element with attributes. */
export function svg(tag, props = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(props)) {
    if (name === "text") made.textContent = value;
    else if (value !== undefined && value !== null) made.setAttribute(name, String(value));
  }
  made.append(...children.flat());
  return made;
}

export const byId = (id) => document.getElementById(id);

/** Write a text where it is another one: what stays costs no new layout. */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

let told = 0;
/** A message that fades: what went wrong, or what was done. */
export function toast(message, kind = "note") {
  const box = byId("toast");
  // Shown again each time, so that it lies over a dialog that was opened meanwhile.
  if (box.matches(":popover-open")) box.hidePopover();
  box.showPopover();
  // The text comes when the box is there, or nobody reads it out.
  box.className = `toast shown ${kind}`;
  box.setAttribute("role", kind === "fault" ? "alert" : "status");
  box.textContent = message;
  clearTimeout(told);
  told = setTimeout(() => {
    box.className = "toast";
    box.hidePopover();
  }, kind === "fault" ? 9000 : 3500);
}

/** Say something to a screen reader, not to the eye. */
export function say(message) {
  byId("say").textContent = message;
}

/** A canvas of so many CSS pixels, sharp on this screen; returns its context, scaled. */
export function sized(canvas, width, height) {
  const ratio = Math.min(window.devicePixelRatio || 1, 3);
  const w = Math.max(1, Math.round(width * ratio));
  const h = Math.max(1, Math.round(height * ratio));
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const ctx = canvas.getContext("2d");
  ctx.setTransform(w / width, 0, 0, h / height, 0, 0);
  ctx.imageSmoothingEnabled = false;
  return ctx;
}

/**
 * One tab stop for a set of items; arrow keys move among them.
 * `columns()` tells how many stand in a row, so that up and down work too.
 */
export function roving(box, selector, columns = () => 1) {
  const items = () => [...box.querySelectorAll(selector)];
  box.addEventListener("focusin", (event) => {
    const item = event.target.closest(selector);
    if (item) for (const other of items()) other.tabIndex = other === item ? 0 : -1;
  });
  box.addEventListener("keydown", (event) => {
    const all = items();
    const at = all.indexOf(event.target.closest(selector));
    if (at < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    const across = Math.max(1, columns());
    const go = {
      ArrowRight: at + 1, ArrowLeft: at - 1, ArrowDown: at + across, ArrowUp: at - across,
      Home: 0, End: all.length - 1,
    }[event.key];
    if (go === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    all[Math.max(0, Math.min(all.length - 1, go))].focus();
  });
}

/** Make one item of a set the tab stop. */
export function tabStop(items, current) {
  const list = [...items];
  const stop = list.includes(current) ? current : list[0];
  for (const item of list) item.tabIndex = item === stop ? 0 : -1;
}

/** How many items of a wrapped row stand beside each other. */
export function perRow(items) {
  const list = [...items];
  const top = list[0]?.offsetTop;
  const next = list.findIndex((item) => item.offsetTop !== top);
  return next < 0 ? list.length : next;
}

/** A dialog that closes on Escape and on its button; returns { dialog, body }. */
export function modal(title, { look = "" } = {}) {
  const body = el("div", { class: "body" });
  const id = `d${Math.random().toString(36).slice(2, 8)}`;
  const close = el("button", { type: "button", class: "icon", "aria-label": "Close", text: "×" });
  const dialog = el(
    "dialog",
    { class: look, "aria-labelledby": id },
    el("div", { class: "head" }, el("h2", { id, text: title }), close),
    body,
  );
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => {
    const { left, right, top, bottom } = dialog.getBoundingClientRect();
    const inside = event.clientX >= left && event.clientX <= right && event.clientY >= top && event.clientY <= bottom;
    if (event.target === dialog && !inside) dialog.close();
  });
  document.body.append(dialog);
  return { dialog, body };
}

const ICONS = {
  first: "M8 2 3 8l5 6zM14 2 9 8l5 6z", before: "M13 2 6 8l7 6zM3 2v12", play: "M4 2l9 6-9 6z", pause: "M4 2v12M12 2v12",
  after: "M3 2l7 6-7 6zM13 2v12", again: "M13 8a5 5 0 1 1-1.5-3.6M13 1.5v3.2h-3.2",
};

/** A drawn sign, for buttons that have a label for the ear. */
export function icon(name) {
  return svg("svg", { viewBox: "0 0 16 16", class: `sign ${name}`, "aria-hidden": "true" }, svg("path", { d: ICONS[name] }));
}
