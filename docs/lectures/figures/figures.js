// Figures that are moved by hand: sliders and buttons, no server, usable by keyboard.
// A page holds <div class="play" data-figure="NAME"></div>; nothing is loaded but this module.

import { DIGIT, LEARNED } from "./numbers.js";

const SVG = "http://www.w3.org/2000/svg";
let ids = 0;

/** An element with attributes and children; event handlers are functions. */
function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  set(node, attributes);
  node.append(...children);
  return node;
}

function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  set(node, attributes);
  node.append(...children);
  return node;
}

function set(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else node.setAttribute(name, value);
  }
}

/** A labeled slider; `act` gets its number at once and with every change. */
function slider(label, [min, max, step, value], act, format = String) {
  const id = `play-${ids++}`;
  const shown = el("output", { for: id });
  const input = el("input", { type: "range", id, min, max, step, value });
  const read = () => {
    shown.textContent = format(Number(input.value));
    input.setAttribute("aria-valuetext", shown.textContent);
    return Number(input.value);
  };
  input.addEventListener("input", () => { read(); act(); });
  read();
  return { node: el("div", { class: "control" }, el("label", { for: id }, label), input, shown), read, input };
}

/** A labeled list to choose from. */
function choice(label, names, act) {
  const id = `play-${ids++}`;
  const input = el("select", { id, change: act }, ...names.map((n) => el("option", {}, n)));
  return { node: el("div", { class: "control" }, el("label", { for: id }, label), input), read: () => input.value };
}

function round(v, digits = 2) {
  const text = v.toFixed(digits);
  return (Number(text) === 0 ? (0).toFixed(digits) : text).replace("-", "−");
}

/** Numbers as a small table with a caption for readers of the screen. */
function table(rows, caption) {
  const body = rows.map((row) => el("tr", {}, ...row.map((v) => el("td", {}, v))));
  return el("table", { class: "numbers" }, el("caption", {}, caption), el("tbody", {}, ...body));
}

// ---- the kernel on the image

const KERNELS = {
  "vertical edge": [[1, 0, -1], [1, 0, -1], [1, 0, -1]],
  "horizontal edge": [[1, 1, 1], [0, 0, 0], [-1, -1, -1]],
  "blur": Array(3).fill(Array(3).fill(1 / 9)),
  "sharpen": [[0, -1, 0], [-1, 5, -1], [0, -1, 0]],
  "learned by a LeNet-5": LEARNED,
};

function correlate(image, kernel) {
  const k = kernel.length, n = image.length - k + 1;
  return Array.from({ length: n }, (_, r) => Array.from({ length: n }, (_, c) => {
    let sum = 0;
    for (let i = 0; i < k; i++) for (let j = 0; j < k; j++) sum += image[r + i][c + j] * kernel[i][j];
    return sum;
  }));
}

/** A matrix on a canvas: gray from 0 to 1, or blue below zero and orange above up to `most`. */
function paint(canvas, values, most = null) {
  const n = values.length;
  canvas.width = canvas.height = n;
  const context = canvas.getContext("2d"), pixels = context.createImageData(n, n);
  values.flat().forEach((v, i) => {
    const t = Math.max(-1, Math.min(1, v / (most ?? 1)));
    const color = most === null ? [255 * t, 255 * t, 255 * t]
      : t >= 0 ? [255, 255 - 120 * t, 255 - 230 * t] : [255 + 215 * t, 255 + 130 * t, 255 + 40 * t];
    pixels.data.set([...color, 255], 4 * i);
  });
  context.putImageData(pixels, 0, 0);
}

function kernelFigure(place) {
  const image = DIGIT.map((row) => row.map((v) => v / 99));
  const panels = ["Image", "Output"].map((name) => {
    const canvas = el("canvas", { role: "img" }), mark = el("div", { class: "mark" });
    const frame = el("div", { class: "frame" }, canvas, mark);
    return { name, canvas, mark, frame, node: el("figure", {}, frame, el("figcaption", {}, name)) };
  });
  const numbers = el("div", { class: "sum" }), caption = el("p", { "aria-live": "polite" });
  const which = choice("kernel", Object.keys(KERNELS), () => show());
  const row = slider("row", [0, 25, 1, 18], () => show()), column = slider("column", [0, 25, 1, 7], () => show());
  panels[0].frame.classList.add("drag");
  panels[0].frame.addEventListener("pointerdown", move);
  panels[0].frame.addEventListener("pointermove", (e) => { if (e.buttons) move(e); });

  function move(e) {
    const box = panels[0].frame.getBoundingClientRect(), k = KERNELS[which.read()].length;
    column.input.value = Math.floor(28 * (e.clientX - box.left) / box.width - k / 2 + 0.5);
    row.input.value = Math.floor(28 * (e.clientY - box.top) / box.height - k / 2 + 0.5);
    show();
  }

  function show() {
    const kernel = KERNELS[which.read()], k = kernel.length, last = 28 - k;
    row.input.max = column.input.max = last;
    const r = row.read(), c = column.read();
    const out = correlate(image, kernel), most = Math.max(...out.flat().map(Math.abs));
    paint(panels[0].canvas, image);
    paint(panels[1].canvas, out, most);
    place_(panels[0].mark, c / 28, r / 28, k / 28);
    place_(panels[1].mark, c / (last + 1), r / (last + 1), 1 / (last + 1));
    const patch = image.slice(r, r + k).map((line) => line.slice(c, c + k));
    const digits = 2;
    numbers.replaceChildren(
      table(patch.map((line) => line.map((v) => round(v, digits))), "patch"), el("span", {}, "·"),
      table(kernel.map((line) => line.map((v) => round(v, digits))), "kernel"), el("span", {}, "="),
      el("strong", {}, round(out[r][c])));
    caption.textContent = `Row ${r}, column ${c}: the products of patch and kernel add up to ${round(out[r][c])}.`;
    panels[0].canvas.setAttribute("aria-label", "A handwritten 7 of 28 × 28 pixels");
    panels[1].canvas.setAttribute("aria-label", `The ${last + 1} × ${last + 1} sums of the kernel ${which.read()}`);
  }

  place.append(el("div", { class: "pair" }, ...panels.map((p) => p.node)), which.node, row.node, column.node, numbers, caption);
  show();
}

function place_(mark, x, y, size) {
  mark.style.left = `${100 * x}%`;
  mark.style.top = `${100 * y}%`;
  mark.style.width = mark.style.height = `${100 * size}%`;
}

// ---- receptive fields

function fieldFigure(place) {
  const layers = slider("layers", [1, 6, 1, 3], () => show()), size = slider("kernel size", [1, 7, 2, 3], () => show());
  const stride = slider("stride of the first layer", [1, 3, 1, 1], () => show());
  const drawn = el("div", { class: "drawn" }), caption = el("p", { "aria-live": "polite" });

  function show() {
    const L = layers.read(), K = size.read(), S = stride.read();
    // From the top down: which samples of each row the one output sees, and how many rows have.
    const spans = [[0, 0]];
    for (let layer = L; layer >= 1; layer--) {
      const s = layer === 1 ? S : 1, [first, last] = spans[0];
      spans.unshift([first * s, last * s + K - 1]);
    }
    const field = spans[0][1] + 1, wide = field + 4, gap = 640 / wide, high = 46;
    const drawing = svg("svg", { viewBox: `0 0 640 ${high * (L + 1) + 10}`, role: "img",
      "aria-label": `One output sees ${field} pixels` });
    const centers = [];
    spans.forEach(([first, last], layer) => {
      const jump = layer === 0 ? 1 : S, y = high * (L - layer) + 20;
      const middle = 320 - gap * jump * (first + last) / 2;
      const row = [];
      const spare = Math.ceil(2 / jump);
      for (let i = first - spare; i <= last + spare; i++) row.push([i, middle + gap * jump * i, y]);
      centers.push({ row, first, last });
    });
    for (let layer = 1; layer <= L; layer++) {
      const s = layer === 1 ? S : 1, below = new Map(centers[layer - 1].row.map(([i, x, y]) => [i, [x, y]]));
      for (const [i, x, y] of centers[layer].row) {
        if (i < centers[layer].first || i > centers[layer].last) continue;
        for (let k = 0; k < K; k++) {
          const [bx, by] = below.get(i * s + k);
          drawing.append(svg("line", { x1: x, y1: y, x2: bx, y2: by, class: "edge" }));
        }
      }
    }
    for (const { row, first, last } of centers)
      for (const [i, x, y] of row)
        drawing.append(svg("circle", { cx: x, cy: y, r: Math.min(8, gap / 3), class: i >= first && i <= last ? "seen" : "unseen" }));
    drawn.replaceChildren(drawing);
    const formula = S === 1 ? `1 + ${L} · (${K} − 1)` : `${K} + ${S} · ${L - 1} · (${K} − 1)`;
    caption.textContent = `The one value at the top sees ${formula} = ${field} pixels of the row at the bottom.`;
  }

  place.append(layers.node, size.node, stride.node, drawn, caption);
  show();
}

// ---- a signal, shifted and downsampled

const BLURS = [[1], [1, 1], [1, 2, 1], [1, 3, 3, 1], [1, 4, 6, 4, 1], [1, 6, 15, 20, 15, 6, 1]];

const SIGNALS = {
  "two high, two low": (i) => (i % 4 >= 2 ? 1 : 0),
  "one high, one low": (i) => i % 2,
  "slow wave": (i) => 0.5 - 0.5 * Math.cos(2 * Math.PI * i / 12),
  "a step": (i) => (i >= 8 && i < 17 ? 1 : 0),
};

function downsample(x, operation, taps) {
  const n = x.length, dense = operation === "max pool" ? x.map((v, i) => Math.max(v, x[(i + 1) % n])) : x;
  const sum = taps.reduce((a, b) => a + b), half = Math.floor((taps.length - 1) / 2);
  const smooth = dense.map((_, i) => taps.reduce((s, t, k) => s + t * dense[(i + k - half + n) % n], 0) / sum);
  return smooth.filter((_, i) => i % 2 === 0);
}

/** Relative distance to the closest circular shift of the other. */
function change(a, b) {
  const norm = Math.hypot(...a) || 1;
  return Math.min(...a.map((_, s) => Math.hypot(...a.map((v, i) => v - b[(i + s) % b.length])))) / norm;
}

function bars(values, label) {
  const n = values.length, wide = 640 / n;
  return svg("svg", { viewBox: "0 0 640 100", role: "img", "aria-label": `${label}: ${values.map((v) => round(v, 1)).join(" ")}` },
    svg("line", { x1: 0, x2: 640, y1: 92, y2: 92, class: "edge" }),
    ...values.map((v, i) => svg("rect", { x: wide * i + wide * 0.15, width: wide * 0.7, y: 92 - 80 * v, height: 80 * v + 1, class: "seen" })));
}

function aliasFigure(place) {
  const which = choice("signal", Object.keys(SIGNALS), () => show());
  const operation = choice("then", ["max pool", "stride"], () => show());
  const shift = slider("shift", [0, 8, 1, 0], () => show());
  const blur = slider("blur taps", [0, 5, 1, 0], () => show(), (v) => (v ? String(BLURS[v].length) : "none"));
  const drawn = el("div", { class: "drawn" }), caption = el("p", { "aria-live": "polite" });

  function show() {
    const wave = Array.from({ length: 24 }, (_, i) => SIGNALS[which.read()](i)), by = shift.read();
    const x = wave.map((_, i) => wave[(i - by + 24) % 24]), taps = BLURS[blur.read()];
    const still = downsample(wave, operation.read(), taps), moved = downsample(x, operation.read(), taps);
    drawn.replaceChildren(el("p", {}, "Signal, 24 samples in a circle"), bars(x, "signal"),
      el("p", {}, "Output, every second sample"), bars(moved, "output"));
    const error = change(still, moved), gone = Math.hypot(...still) === 0 && Math.hypot(...moved) > 0;
    caption.textContent = gone ? `Shifted by ${by}: the output of the unshifted signal was zero, this one is not.`
      : error < 1e-9
      ? `Shifted by ${by}: the output is that of the unshifted signal, shifted.`
      : `Shifted by ${by}: the output differs by ${round(100 * error, 0)} % from the closest shift of the unshifted one (relative L2).`;
  }

  place.append(which.node, operation.node, shift.node, blur.node, drawn, caption);
  show();
}

// ---- a shape, rotated

const SIDE = 33;

/** The digit 1, smooth, at an angle; drawn from its formula, so that no interpolation blurs it. */
function stroke(angle) {
  const a = angle * Math.PI / 180, cos = Math.cos(a), sin = Math.sin(a), m = (SIDE - 1) / 2;
  const strokes = [[1, -10, 1, 10], [1, -10, -4, -6]];
  return Array.from({ length: SIDE }, (_, r) => Array.from({ length: SIDE }, (_, c) => {
    const x = cos * (c - m) + sin * (r - m), y = -sin * (c - m) + cos * (r - m);
    const d = Math.min(...strokes.map(([x1, y1, x2, y2]) => {
      const t = Math.max(0, Math.min(1, ((x - x1) * (x2 - x1) + (y - y1) * (y2 - y1)) / ((x2 - x1) ** 2 + (y2 - y1) ** 2)));
      return Math.hypot(x - x1 - t * (x2 - x1), y - y1 - t * (y2 - y1));
    }));
    return 1 / (1 + Math.exp(2.2 * (d - 1.8)));
  }));
}

/** Kernels of 7 × 7: a Gaussian derivative along one axis, and the same as a pair of harmonics. */
function derivative(axis) {
  return Array.from({ length: 7 }, (_, r) => Array.from({ length: 7 }, (_, c) => {
    const x = c - 3, y = r - 3;
    return (axis ? y : x) * Math.exp(-(x * x + y * y) / 4.5);
  }));
}

function responses() {
  const [horizontal, vertical] = [derivative(0), derivative(1)];
  return Array.from({ length: 73 }, (_, i) => {
    const image = stroke(5 * i), a = correlate(image, horizontal).flat(), b = correlate(image, vertical).flat();
    return [Math.hypot(...a), Math.hypot(...a.map((v, k) => Math.hypot(v, b[k])))];
  });
}

function rotationFigure(place) {
  const angle = slider("angle", [0, 360, 5, 0], () => show(), (v) => `${v}°`);
  const canvas = el("canvas", { role: "img" }), drawn = el("div", { class: "drawn" }), caption = el("p", { "aria-live": "polite" });
  const all = responses(), first = all[0];
  const line = (k, name) => svg("polyline", { class: name,
    points: all.map((v, i) => `${640 * i / 72},${170 - 110 * v[k] / first[k]}`).join(" ") });

  function show() {
    const a = angle.read(), [plain, harmonic] = all[a / 5].map((v, k) => v / first[k]);
    paint(canvas, stroke(a));
    canvas.setAttribute("aria-label", `The digit 1, rotated by ${a} degrees`);
    drawn.replaceChildren(svg("svg", { viewBox: "0 0 640 180", role: "img", "aria-label": "Response against the angle" },
      svg("line", { x1: 0, x2: 640, y1: 60, y2: 60, class: "edge" }), line(0, "plain"), line(1, "harmonic"),
      svg("line", { x1: 640 * a / 360, x2: 640 * a / 360, y1: 0, y2: 180, class: "now" })),
      el("p", { class: "key" }, el("span", { class: "plain" }, "one kernel"), el("span", { class: "harmonic" }, "magnitude of the harmonic")));
    caption.textContent = `At ${a}° the response of one edge kernel is ${round(100 * plain, 0)} % of that at 0°, `
      + `the magnitude of the circular harmonic of order 1 is ${round(100 * harmonic, 1)} %.`;
  }

  place.append(el("div", { class: "pair" }, el("figure", {}, el("div", { class: "frame" }, canvas), el("figcaption", {}, "Image"))), angle.node, drawn, caption);
  show();
}

// ---- the volume of a ball

function shellFigure(place) {
  const dimension = slider("dimensions", [0, 100, 1, 11], () => show(), (v) => String(count(v)));
  const drawn = el("div", { class: "drawn" }), caption = el("p", { "aria-live": "polite" });
  function count(v) { return Math.max(1, Math.round(10 ** (v * 5 / 100))); }

  function show() {
    const n = count(dimension.read()), shell = 1 - 2 ** (-1 / n);
    const digits = Math.max(1, Math.ceil(-Math.log10(shell)));
    drawn.replaceChildren(svg("svg", { viewBox: "0 0 640 220", role: "img", "aria-label": `Half of the volume is in the outer ${round(100 * shell, digits)} % of the radius` },
      svg("circle", { cx: 320, cy: 110, r: 100, class: "seen" }), svg("circle", { cx: 320, cy: 110, r: 100 * (1 - shell), class: "inner" })));
    caption.textContent = `In ${n.toLocaleString("en")} dimension${n === 1 ? "" : "s"} half of the volume of a ball lies in the outer ${round(100 * shell, digits)} % of its radius.`;
  }

  place.append(dimension.node, drawn, caption);
  show();
}

const NAMES = {
  kernel: "a kernel on an image", field: "receptive fields", alias: "a signal that is shifted and downsampled",
  rotation: "a digit that is rotated", shell: "the volume of a ball",
};

const FIGURES = { kernel: kernelFigure, field: fieldFigure, alias: aliasFigure, rotation: rotationFigure, shell: shellFigure };

for (const place of document.querySelectorAll(".play[data-figure]")) {
  place.setAttribute("role", "group");
  place.setAttribute("aria-label", `A figure to move by hand: ${NAMES[place.dataset.figure]}`);
  FIGURES[place.dataset.figure](place);
}
