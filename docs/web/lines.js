// Lines of text: samples of shape (V, L), distributions over the symbols of a vocabulary.

// Fills lines that are too short.
const PADDING = /\u2400+$/;

// Returns the most probable characters of each sample, without the padding at the ends of lines.
export function readLines(values, { shape, vocabulary }) {
  const [symbols, length] = shape;
  const characters = [...vocabulary];
  return Array.from({ length: values.length / (symbols * length) }, (_, i) => {
    const line = values.subarray(i * symbols * length, (i + 1) * symbols * length);
    const read = Array.from({ length }, (_, place) => characters[mostProbable(line, place, length)] ?? "\ufffd");
    return read.join("").replace(PADDING, "");
  });
}

function mostProbable(line, place, length) {
  let best = 0;
  for (let v = 1; v * length < line.length; v++) {
    if (line[v * length + place] > line[best * length + place]) best = v;
  }
  return best;
}
