import { type Coordinates, coordinatesOf } from './region-coordinates.ts'

/** The earth's mean radius. */
const EARTH_KM = 6371
const RADIANS = Math.PI / 180

/** The great circle between two places, in kilometres, by the haversine formula. */
export function distanceKm(a: Coordinates, b: Coordinates): number {
  const dLatitude = (b.latitude - a.latitude) * RADIANS
  const dLongitude = (b.longitude - a.longitude) * RADIANS
  const h =
    Math.sin(dLatitude / 2) ** 2 +
    Math.cos(a.latitude * RADIANS) * Math.cos(b.latitude * RADIANS) * Math.sin(dLongitude / 2) ** 2
  return 2 * EARTH_KM * Math.asin(Math.min(1, Math.sqrt(h)))
}

/** Whether numbers are a place on the globe. */
export function isPlace({ latitude, longitude }: Coordinates): boolean {
  return Math.abs(latitude) <= 90 && Math.abs(longitude) <= 180
}

/**
 * The region nearest to a place; `undefined` when that is no place on the globe, or no region's place is known.
 *
 * @param places of regions with names of their own, and instead of the known places of cloud regions.
 */
export function nearestRegion(
  from: Coordinates,
  regions: readonly string[],
  places: Readonly<Record<string, Coordinates>> = {},
): string | undefined {
  if (!isPlace(from)) return undefined
  let nearest: { readonly region: string; readonly km: number } | undefined
  for (const region of regions) {
    const place = Object.hasOwn(places, region) ? places[region] : coordinatesOf(region)
    if (!place) continue
    const km = distanceKm(from, place)
    if (!nearest || km < nearest.km) nearest = { region, km }
  }
  return nearest?.region
}
