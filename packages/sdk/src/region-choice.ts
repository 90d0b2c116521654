import { type Coordinates, coordinatesOf, distanceKm, nearestRegion } from '@perigee/core'

/** What helps to place regions. */
export interface RegionPlaces {
  /** Places of regions with names of your own; those of AWS, Google Cloud and Azure are known. */
  readonly places?: Readonly<Record<string, Coordinates>> | undefined
}

/** A region, and what said that it is the one. Can be given as the `region` to connect in. */
export interface RegionChoice {
  readonly region: string
  /** What said so; `option` is a reason of your own. */
  readonly source: 'headers' | 'location' | 'ip' | 'option'
  /** The same in words, for people: what was read, and how far the region is from there. */
  readonly because: string
}

/** The region nearest to a place that something named; `undefined` when there is no such region. */
export function choiceAt(
  said: { readonly source: RegionChoice['source']; readonly what: string; readonly place: Coordinates },
  regions: readonly string[],
  options: RegionPlaces,
): RegionChoice | undefined {
  const region = nearestRegion(said.place, regions, options.places)
  if (region === undefined) return undefined
  const { places = {} } = options
  const at = Object.hasOwn(places, region) ? places[region] : coordinatesOf(region)
  const far = at ? `; ${Math.round(distanceKm(said.place, at)).toLocaleString('en')} km from ${region}` : ''
  const { latitude, longitude } = said.place
  return { region, source: said.source, because: `${said.what}: ${latitude}, ${longitude}${far}` }
}
