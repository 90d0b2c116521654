/** Prints a figure of a test run: seconds until the first write was acknowledged after a fault. */
export function tell(fault: string, ms: number): void {
  process.stdout.write(`first write acknowledged after ${fault}: ${(ms / 1000).toFixed(1)} s\n`)
}
