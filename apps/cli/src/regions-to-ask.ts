import type { Context } from './context.ts'

/** The region asked for by name, or else all regions; `undefined` is the one sidecar that an address names. */
export async function regionsToAsk(context: Context): Promise<readonly (string | undefined)[]> {
  const { region, regions } = await context.target()
  if (region !== undefined) return [region]
  return regions.length > 0 ? regions : [undefined]
}
