// Drawing an image by hand, and taking one from a camera. The network follows the pen.

import { byId, modal, el, toast } from "./dom.js";
import { take } from "./images.js";
import { isSeries, state } from "./state.js";

const SIDE = 280;
const COLORS = ["#ffffff", "#000000", "#e23b2e", "#f2a51c", "#3c9a4b", "#2f6fd0", "#8a5a3c", "#9fd3f2"];
let made = null;
let stream = null;

/** The button of the dialog. */
export function start() {
  byId("draw").addEventListener("click", open);
}

/** The dialog with the canvas and the camera. */
export function open() {
  if (isSeries()) return;
  made ??= build();
  made.dialog.showModal();
  made.canvas.focus();
}

function build() {
  const { dialog, body } = modal("Draw an image", { look: "aside" });
  const color = (state.about.models[state.model].channels ?? 1) >= 3;
  const canvas = el("canvas", { width: SIDE, height: SIDE, class: "pad", tabindex: "0", role: "application", "aria-roledescription": "drawing", "aria-label": "Drawing. Arrow keys move the pen, space puts it down or lifts it." });
  const ctx = canvas.getContext("2d", { willReadFrequently: true });
  const width = el("input", { type: "range", min: 2, max: 60, value: 22, id: "pen-width" });
  const pen = { down: false, x: SIDE / 2, y: SIDE / 2, color: "#ffffff", ground: "#000000" };
  const clear = () => {
    ctx.fillStyle = pen.ground;
    ctx.fillRect(0, 0, SIDE, SIDE);
  };
  clear();
  const line = (x, y) => {
    ctx.strokeStyle = pen.color;
    ctx.lineWidth = Number(width.value);
    ctx.lineCap = "round";
    ctx.lineJoin = "round";
    ctx.beginPath();
    ctx.moveTo(pen.x, pen.y);
    ctx.lineTo(x + 0.01, y);
    ctx.stroke();
    [pen.x, pen.y] = [x, y];
    send();
  };
  const send = sender(canvas);
  const at = (event) => {
    const rect = canvas.getBoundingClientRect();
    return [((event.clientX - rect.left) / rect.width) * SIDE, ((event.clientY - rect.top) / rect.height) * SIDE];
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pen.down = true;
    [pen.x, pen.y] = at(event);
    line(pen.x, pen.y);
  });
  canvas.addEventListener("pointermove", (event) => pen.down && line(...at(event)));
  for (const kind of ["pointerup", "pointercancel"]) canvas.addEventListener(kind, () => (pen.down = false));
  canvas.addEventListener("keydown", (event) => keyboard(event, pen, line, canvas));
  const swatches = color ? COLORS.map((value) => swatch(value, pen)) : [];
  const video = el("video", { playsinline: true, muted: true, hidden: true, class: "pad" });
  const camera = cameraRow(video, dialog);
  dialog.addEventListener("close", stop);
  body.append(canvas, video,
    el("div", { class: "row" }, el("label", { for: "pen-width", text: "pen" }), width, ...swatches,
      el("button", { type: "button", text: "Clear", onclick: () => (clear(), send()) }),
      el("button", { type: "button", text: "Done", class: "main", onclick: () => dialog.close() })),
    camera);
  return { dialog, canvas };
}

/** The keyboard draws too: arrows move, space puts the pen down or lifts it. */
function keyboard(event, pen, line, canvas) {
  const go = { ArrowLeft: [-10, 0], ArrowRight: [10, 0], ArrowUp: [0, -10], ArrowDown: [0, 10] }[event.key];
  if (event.key === " ") {
    pen.keyed = !pen.keyed;
    canvas.classList.toggle("inked", pen.keyed);
    if (pen.keyed) line(pen.x, pen.y);
  } else if (go) {
    const [x, y] = [Math.max(0, Math.min(SIDE, pen.x + go[0])), Math.max(0, Math.min(SIDE, pen.y + go[1]))];
    if (pen.keyed) line(x, y);
    else [pen.x, pen.y] = [x, y];
  } else return;
  event.preventDefault();
}

function swatch(value, pen) {
  const button = el("button", { type: "button", class: "swatch", "aria-label": `Pen ${value}`, onclick: () => (pen.color = value) });
  button.style.background = value;
  return button;
}

/** Hands the drawing over while it is made, one at a time, the newest wins. */
function sender(canvas) {
  let busy = false;
  let again = false;
  return async function send() {
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    try {
      const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
      if (blob) await take(blob, "your drawing", { drawn: true });
      await new Promise((done) => setTimeout(done, 60));
    } finally {
      busy = false;
    }
    if (again) {
      again = false;
      send();
    }
  };
}

function cameraRow(video, dialog) {
  const shoot = el("button", { type: "button", class: "main", id: "shoot", hidden: true, text: "Take this frame", onclick: async () => {
    const frame = el("canvas", { width: video.videoWidth, height: video.videoHeight });
    frame.getContext("2d").drawImage(video, 0, 0);
    const blob = await new Promise((done) => frame.toBlob(done, "image/png"));
    if (blob && (await take(blob, "from the camera"))) dialog.close();
  } });
  const begin = el("button", { type: "button", id: "camera", text: "Use the camera", onclick: async () => {
    begin.disabled = true;
    try {
      stop();
      const given = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
      if (!dialog.open) {
        end(given);
        return;
      }
      stream = given;
      video.srcObject = given;
      video.hidden = false;
      shoot.hidden = false;
      video.play().catch(() => {}); // ends when the camera is stopped before its first frame
    } catch {
      toast("The camera gave no image: there is none, or the browser does not allow it.", "fault");
    } finally {
      begin.disabled = false;
    }
  } });
  return el("div", { class: "row" }, begin, shoot, el("span", { class: "soft", text: "The camera is used only after you press; nothing leaves this machine." }));
}

const end = (given) => given?.getTracks().forEach((track) => track.stop());

/** The camera is off whenever its image is not to be seen. */
function stop() {
  end(stream);
  stream = null;
  for (const video of document.querySelectorAll("video.pad")) {
    video.srcObject = null;
    video.hidden = true;
  }
  byId("shoot").hidden = true;
}
