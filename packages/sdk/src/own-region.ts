import { invalidArgument } from './perigee-error.ts'
import type { RegionChoice } from './region-choice.ts'

/** Where a client takes itself to be, and what said so. */
export interface OwnRegion {
  /** `undefined` when nothing said so: then the region with the smallest round trip counts. */
  readonly region: string | undefined
  /** The option, an environment variable, or what a {@link RegionChoice} that was given as the option rests on. */
  readonly source: RegionChoice['source'] | 'REGION' | 'AWS_REGION' | 'nothing'
  /** The same in words. */
  readonly because: string
}

/**
 * The region of this process: the option, else the environment's `REGION`, else its `AWS_REGION`.
 *
 * @throws PerigeeError `INVALID_ARGUMENT` for an option that names no region.
 */
export function ownRegion(
  option: string | RegionChoice | undefined,
  environment: NodeJS.ProcessEnv,
): OwnRegion {
  if (typeof option === 'string') {
    return { region: option, source: 'option', because: 'the option `region` says so' }
  }
  if (option !== undefined) {
    const { region, source, because } = option ?? {}
    if (typeof region !== 'string')
      throw invalidArgument("region is a name, such as 'eu-west-1', or what chose it", 'region')
    if (source === 'option') return { region, source, because }
    return { region, source, because: `chosen by ${source}: ${because}` }
  }
  for (const name of ['REGION', 'AWS_REGION'] as const) {
    const region = environment[name]
    if (region) return { region, source: name, because: `${name} in the environment says so` }
  }
  const because =
    'neither the option `region` nor REGION nor AWS_REGION in the environment says where this is'
  return { region: undefined, source: 'nothing', because }
}
