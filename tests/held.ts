/**
 * The memory that objects keep, measured in a process of its own.
 *
 * @module
 */

/** Objects that are made; enough for everything else in the process to be noise. */
const COUNT = 1000;

/**
 * Measures the memory that one object keeps alive, in bytes, on the heap and outside.
 *
 * @param module The text of a module that exports `make(index)`, which returns the object.
 */
export async function heldBytes(module: string): Promise<number> {
  const program = `
    const { make } = await import(${
    JSON.stringify(`data:text/javascript,${encodeURIComponent(module)}`)
  });
    const kept = [];
    const held = async () => {
      // Memory outside the heap is freed by other threads, some time after the collection.
      for (let round = 0; round < 5; round++) {
        globalThis.gc();
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      const { heapUsed, external } = Deno.memoryUsage();
      return heapUsed + external;
    };
    for (let index = 0; index < 100; index++) make(index);
    const before = await held();
    for (let index = 0; index < ${COUNT}; index++) kept.push(make(index));
    const after = await held();
    console.log((after - before) / kept.length);
  `;
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--v8-flags=--expose-gc", program],
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return Number(new TextDecoder().decode(stdout));
}
