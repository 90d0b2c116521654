export interface WaitOptions {
  /** Says why it is still waiting, for the error when the time is up. */
  readonly explain: () => string
  /** Default 15,000. */
  readonly timeoutMs?: number
  /** Default 20. */
  readonly everyMs?: number
}

/** Asks until the condition holds. A condition that throws doesn't hold. */
export async function waitFor(
  condition: () => boolean | Promise<boolean>,
  options: WaitOptions,
): Promise<void> {
  const { explain, timeoutMs = 15_000, everyMs = 20 } = options
  const deadline = Date.now() + timeoutMs
  let thrown: unknown
  for (;;) {
    try {
      if (await condition()) return
      thrown = undefined
    } catch (error) {
      thrown = error
    }
    if (Date.now() > deadline) {
      throw new Error(`After ${timeoutMs} ms: ${explain()}`, thrown === undefined ? {} : { cause: thrown })
    }
    await new Promise((resolve) => setTimeout(resolve, everyMs))
  }
}
