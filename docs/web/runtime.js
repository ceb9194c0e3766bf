// Opens ONNX files with onnxruntime-web, which computes in a worker, with one thread.
import { load } from "./files.js";
import * as ort from "./ort/ort.wasm.bundle.min.mjs";

ort.env.wasm.numThreads = 1;
ort.env.wasm.proxy = true;
ort.env.wasm.wasmPaths = { wasm: new URL("ort/ort-wasm-simd-threaded.wasm", import.meta.url).href };

const opened = {};
let calls = 0;

// Waits until no function is being computed, for work that is not urgent.
export async function idle() {
  while (calls) await new Promise((resolve) => setTimeout(resolve, 10));
}

// Returns a function from arrays by name, with their shapes, to the array of the only output. A file
// is opened once.
export function openFunction(url) {
  opened[url] ??= open(url);
  return opened[url];
}

async function open(url) {
  const content = new Uint8Array(await (await load(url)).arrayBuffer());
  const session = await ort.InferenceSession.create(content, { executionProviders: ["wasm"] });
  return async (inputs) => {
    // The worker takes the memory of what it gets, so it gets copies.
    const feeds = {};
    for (const [name, { data, shape }] of Object.entries(inputs)) {
      const type = data instanceof BigInt64Array ? "int64" : "float32";
      feeds[name] = new ort.Tensor(type, data.slice(), shape);
    }
    calls += 1;
    try {
      const outputs = await session.run(feeds);
      return outputs[session.outputNames[0]].data;
    } finally {
      calls -= 1;
    }
  };
}
