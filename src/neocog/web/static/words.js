// A sentence of explanation for every view, and the field's names of what is shown.

import { number, short } from "./numbers.js";

const OPERATIONS = {
  conv: "convolution", linear: "linear layer", norm: "normalization", activation: "activation function",
  pool: "pooling", add: "sum", cat: "concatenation", softmax: "softmax", input: "input", output: "output",
  reshape: "reshape", other: "operation",
};

const ARITHMETIC = {
  conv: "Every output value is the sum of patch × kernel over all input channels, plus the bias. Select another unit in the output map, or slide the window.",
  linear: "The output is the sum of all input values × weights, plus the bias; the largest products are listed first.",
  max_pool: "Max pooling keeps the largest value in its window.",
  avg_pool: "Average pooling takes the mean of the values in its window.",
  norm: "Normalization subtracts a mean and divides by a standard deviation, then scales and shifts with learned weights.",
  activation: "The activation function maps every value by itself; the point on the curve is this unit.",
  add: "The inputs are added element by element; this is how a residual connection joins its branch.",
  product: "The inputs are multiplied element by element.",
  softmax: "Softmax makes probabilities of logits: the exponential of each, divided by their sum.",
  move: "The value is copied, unchanged, from the framed position.",
  scale: "The value is transformed independently of its neighbors.",
  sum: "The values of the window are added.",
};

const VIEWS = {
  maps: "The activations of this layer for the image, one tile per channel, each on its own scale. Select a tile to see how one of its values is computed.",
  lines: "The activations of this layer for the series, one tile per channel. Select a tile to see how one of its values is computed.",
  numbers: "The values of this layer, one square per unit. Select a square to see how it is computed.",
  top: "The patches of the data with the highest activation of this channel, and an input made for it by gradient ascent (activation maximization).",
  kernels: "The learned weights. An orange weight raises the output where its input is positive, a blue one lowers it. Select a kernel to see it at work.",
  input: "This is the input of the network. Select another card to see what the network computes from it.",
  cam: "Grad-CAM: orange regions raise the score of the class, blue regions lower it.",
};

/** What an operation is called. */
export const operation = (node) => OPERATIONS[node.kind] ?? node.kind;

/** The sentence that explains a view. */
export const explain = (view) => VIEWS[view];

/** The sentence that explains the arithmetic of a kind. */
export const explainArithmetic = (kind) => ARITHMETIC[kind] ?? "PyTorch computed this value; the arithmetic of this operation is not shown.";

/** Parameters and MACs of a node in one line. */
export function countsOf(node) {
  const parts = [];
  if (node.params) parts.push(`${number(node.params)} parameters`);
  if (node.macs) parts.push(`${short(node.macs)} MACs`);
  return parts.join(" · ");
}
