import { type Coordinates, nearestRegion } from '@perigee/core'
import { choiceAt, type RegionChoice, type RegionPlaces } from './region-choice.ts'

export type { Coordinates } from '@perigee/core'

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

/** The same as {@link regionFromLocation}, with the reason: for `region` of `Perigee.connect`. */
export function regionChoiceFromLocation(
  location: Coordinates,
  regions: readonly string[],
  options: RegionPlaces = {},
): RegionChoice | undefined {
  return choiceAt({ source: 'location', what: 'the location given', place: location }, regions, options)
}
