import { type Coordinates, nearestRegion } from '@perigee/core'

export type { Coordinates } from '@perigee/core'

/** What helps to place regions. */
export interface RegionPlaces {
  /** Places of regions with names of your own; those of AWS, Google Cloud and Azure are known. */
  readonly places?: Readonly<Record<string, Coordinates>> | undefined
}

/**
 * The region nearest to a place by great circle; `undefined` when that is no place on the globe, or when no region's
 * place is known.
 *
 * ```ts
 * regionFromLocation({ latitude: 48.1, longitude: 11.6 }, ['us-east-1', 'eu-central-1']) // 'eu-central-1'
 * ```
 */
export function regionFromLocation(
  location: Coordinates,
  regions: readonly string[],
  options: RegionPlaces = {},
): string | undefined {
  return nearestRegion(location, regions, options.places)
}
