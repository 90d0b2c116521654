import { isIP } from 'node:net'
import { type Coordinates, isPlace } from '@perigee/core'
import { countryCentre } from './places.ts'
import { choiceAt, type RegionChoice, type RegionPlaces } from './region-choice.ts'

/**
 * A GeoIP database that is open: the reader of `maxmind`, or of `@maxmind/geoip2-node`, with a database of cities or of
 * countries, or anything of the same shape.
 */
export type GeoIpReader =
  | {
      /** What is known of an IP address, in the database's own spelling; null when nothing is. */
      get(ip: string): unknown
    }
  | {
      city(ip: string): unknown
      country(ip: string): unknown
    }

/** What the two kinds of reader answer, as far as it matters here. */
interface Found {
  readonly location?: { readonly latitude?: unknown; readonly longitude?: unknown } | undefined
  readonly country?: { readonly iso_code?: unknown; readonly isoCode?: unknown } | undefined
}

/**
 * The region nearest to an IP address, by a GeoIP database of yours.
 *
 * ```ts
 * import { open } from 'maxmind'
 *
 * const reader = await open('GeoLite2-City.mmdb')
 * const region = regionFromIp(request.socket.remoteAddress, reader, regions)
 * ```
 *
 * Give the user's own address: behind a load balancer that is in the header which the load balancer sets.
 *
 * @returns `undefined` for what is no IP address, and for one that the database doesn't know, such as a private one.
 * @throws what the reader throws, except that it doesn't know the address.
 */
export function regionFromIp(
  ip: string | undefined,
  reader: GeoIpReader,
  regions: readonly string[],
  options: RegionPlaces = {},
): string | undefined {
  return regionChoiceFromIp(ip, reader, regions, options)?.region
}

/** The same as {@link regionFromIp}, with the reason: for `region` of `Perigee.connect`, or for a log. */
export function regionChoiceFromIp(
  ip: string | undefined,
  reader: GeoIpReader,
  regions: readonly string[],
  options: RegionPlaces = {},
): RegionChoice | undefined {
  const address = plainAddress(ip)
  if (address === undefined) return undefined
  const found = lookUp(reader, address)
  const place = placeOf(found)
  if (place) return choiceAt({ source: 'ip', what: address, place }, regions, options)
  const code = found?.country?.iso_code ?? found?.country?.isoCode
  const middle = typeof code === 'string' ? countryCentre(code) : undefined
  const what = `${address} is in ${code}`
  return middle && choiceAt({ source: 'ip', what, place: middle }, regions, options)
}

/** Without zone, and IPv4 as IPv4: a socket that listens to both families writes `::ffff:10.0.0.1`. */
function plainAddress(ip: string | undefined): string | undefined {
  if (typeof ip !== 'string') return undefined
  const address = ip
    .trim()
    .replace(/^::ffff:(?=\d+\.)/i, '')
    .replace(/%.*$/, '')
  return isIP(address) ? address : undefined
}

function lookUp(reader: GeoIpReader, ip: string): Found | undefined {
  if ('get' in reader) return (reader.get(ip) ?? undefined) as Found | undefined
  return known(() => reader.city(ip)) ?? known(() => reader.country(ip))
}

/** `@maxmind/geoip2-node` throws for unknown addresses, and for questions that its database isn't for. */
function known(look: () => unknown): Found | undefined {
  try {
    return (look() ?? undefined) as Found | undefined
  } catch (error) {
    const { name } = error as Error
    if (name === 'AddressNotFoundError' || name === 'BadMethodCallError') return undefined
    throw error
  }
}

function placeOf(found: Found | undefined): Coordinates | undefined {
  const { latitude, longitude } = found?.location ?? {}
  if (typeof latitude !== 'number' || typeof longitude !== 'number') return undefined
  const place = { latitude, longitude }
  return isPlace(place) ? place : undefined
}
