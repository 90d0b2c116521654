import { type Coordinates, isPlace } from '@perigee/core'
import { type Headers as HeaderMap, headerReader } from './header-reader.ts'
import { airportOf, countryCentre } from './places.ts'
import { type RegionPlaces, regionFromLocation } from './region-from-location.ts'

type Read = (name: string) => string | undefined

/**
 * The region nearest to the user who sent a request, by the location headers that CDNs and clouds add: Cloudflare,
 * CloudFront, Vercel, Google App Engine and load balancers, Akamai, Netlify, Fly, Fastly. Coordinates are preferred
 * to the edge's place, and that to the country.
 *
 * Anyone can send such headers when no CDN overwrites them: use the answer to choose a region, and for nothing else.
 *
 * @returns `undefined` when no header says anything that makes sense.
 */
export function regionFromHeaders(
  headers: HeaderMap,
  regions: readonly string[],
  options: RegionPlaces = {},
): string | undefined {
  const read = headerReader(headers)
  const location = coordinates(read) ?? edge(read) ?? country(read)
  return location && regionFromLocation(location, regions, options)
}

const COORDINATE_PAIRS = [
  ['cf-iplatitude', 'cf-iplongitude'],
  ['cloudfront-viewer-latitude', 'cloudfront-viewer-longitude'],
  ['x-vercel-ip-latitude', 'x-vercel-ip-longitude'],
  ['fastly-client-geo-latitude', 'fastly-client-geo-longitude'],
  ['x-geo-latitude', 'x-geo-longitude'],
] as const

const COORDINATE_LISTS = ['x-appengine-citylatlong', 'x-client-city-lat-long', 'x-client-geo-location']

const COUNTRIES = [
  'cf-ipcountry',
  'cloudfront-viewer-country',
  'x-vercel-ip-country',
  'x-appengine-country',
  'x-client-region',
  'x-country',
  'x-country-code',
  'x-geo-country',
]

function coordinates(read: Read): Coordinates | undefined {
  for (const [latitude, longitude] of COORDINATE_PAIRS) {
    const place = placeFrom(read(latitude), read(longitude))
    if (place) return place
  }
  for (const name of COORDINATE_LISTS) {
    const [latitude, longitude] = (read(name) ?? '').split(',').slice(-2)
    const place = placeFrom(latitude, longitude)
    if (place) return place
  }
  return akamai(read('x-akamai-edgescape')) ?? netlify(read('x-nf-geo'))
}

/** `georegion=246,country_code=US,lat=42.36,long=-71.05,…` */
function akamai(edgescape = ''): Coordinates | undefined {
  const fields = new Map(edgescape.split(',').map((field) => field.trim().split('=', 2) as [string, string]))
  return placeFrom(fields.get('lat'), fields.get('long'))
}

/** Base64 of JSON with `latitude` and `longitude`. */
function netlify(geo = ''): Coordinates | undefined {
  try {
    const { latitude, longitude } = JSON.parse(Buffer.from(geo, 'base64').toString('utf8'))
    return placeFrom(String(latitude), String(longitude))
  } catch {
    return undefined
  }
}

/** The edge that took the request: its airport. */
function edge(read: Read): Coordinates | undefined {
  return airportOf(read('fly-region') ?? '')
}

function country(read: Read): Coordinates | undefined {
  for (const name of COUNTRIES) {
    const place = countryCentre(read(name) ?? '')
    if (place) return place
  }
  return undefined
}

const NUMBER = /^\s*[+-]?\d{1,3}(\.\d{1,20})?\s*$/

function placeFrom(latitude: string | undefined, longitude: string | undefined): Coordinates | undefined {
  if (!latitude || !longitude || !NUMBER.test(latitude) || !NUMBER.test(longitude)) return undefined
  const place = { latitude: Number(latitude), longitude: Number(longitude) }
  // Nobody lives at 0, 0: App Engine says so when it doesn't know.
  if (place.latitude === 0 && place.longitude === 0) return undefined
  return isPlace(place) ? place : undefined
}
