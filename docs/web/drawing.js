// Drawing on canvases: sheets of images, and points in the plane.

export const COLOURS = { real: "#4a4f57", generated: "#d1495b", corner: "#2f6fd0" };
// The side of a canvas that shows the plane, in pixels.
export const SIDE = 640;

// Returns an image of values in [-1, 1], with shape (C, H, W), as pixels.
function pixels(values, [channels, height, width]) {
  const image = new ImageData(width, height);
  const area = height * width;
  for (let i = 0; i < area; i++) {
    for (let c = 0; c < 3; c++) {
      image.data[4 * i + c] = 127.5 * (values[(c % channels) * area + i] + 1);
    }
    image.data[4 * i + 3] = 255;
  }
  return image;
}

// Draws images in rows of `columns`, with gaps of two pixels.
export function drawImages(canvas, values, shape, columns) {
  const [, height, width] = shape;
  const size = shape[0] * height * width;
  const n = values.length / size;
  canvas.width = columns * (width + 2) - 2;
  canvas.height = Math.ceil(n / columns) * (height + 2) - 2;
  const context = canvas.getContext("2d");
  for (let i = 0; i < n; i++) {
    const image = pixels(values.subarray(i * size, (i + 1) * size), shape);
    context.putImageData(image, (i % columns) * (width + 2), Math.floor(i / columns) * (height + 2));
  }
}

// Returns the functions from the plane to pixels, and back.
export function coordinates({ low, high }) {
  const scale = SIDE / (high[0] - low[0]);
  return {
    toPixels: (u, v) => [(u - low[0]) * scale, SIDE - (v - low[1]) * scale],
    toPlane: (i, j) => [low[0] + i / scale, low[1] + (SIDE - j) / scale],
  };
}

// Prepares a canvas for the plane, and returns its context.
export function clearPlane(canvas) {
  if (canvas.width !== SIDE) canvas.width = canvas.height = SIDE;
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, SIDE, SIDE);
  return context;
}

// Draws real points in the colour of the theme.
export function drawReal(context, plane) {
  const colour = getComputedStyle(context.canvas).getPropertyValue("--real");
  drawDots(context, plane, plane.real.flat(), { radius: 2.5, colour });
}

// Draws points (u, v), one after the other in an array, as dots, with an outline of a colour.
export function drawDots(context, plane, points, { radius, colour, outline }) {
  const { toPixels } = coordinates(plane);
  context.fillStyle = colour;
  if (outline) context.strokeStyle = outline;
  context.lineWidth = 1.5;
  for (let i = 0; i < points.length; i += 2) {
    context.beginPath();
    context.arc(...toPixels(points[i], points[i + 1]), radius, 0, 2 * Math.PI);
    context.fill();
    if (outline) context.stroke();
  }
}
