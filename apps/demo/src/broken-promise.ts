/** Thrown when the regions don't do what the demo says they do. */
export class BrokenPromise extends Error {
  override name = 'BrokenPromise'
}

/** Ends the demo, with `text`, unless `holds`. */
export function promise(holds: boolean, text: string): asserts holds {
  if (!holds) throw new BrokenPromise(text)
}
