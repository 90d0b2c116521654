import { type Coordinates, isPlace } from '@perigee/core'
import { airportOf } from './airports.ts'
import { type Headers as HeaderMap, headerReader } from './header-reader.ts'
import { countryCentre } from './places.ts'
import { choiceAt, type RegionChoice, type RegionPlaces } from './region-choice.ts'

type Read = (name: string) => string | undefined

/** A place that a header named. */
interface Said {
  readonly what: string
  readonly place: Coordinates
}

/**
 * The region nearest to the user who sent a request, by the location headers that CDNs and clouds add:
 *
 * | who | headers | when |
 * | --- | --- | --- |
 * | Cloudflare | `cf-iplatitude`, `cf-iplongitude` | with the managed transform "Add visitor location headers" |
 * | | `cf-ray`, whose end is the data centre; `cf-ipcountry` | always, unless turned off |
 * | CloudFront | `cloudfront-viewer-latitude`, `-longitude`, `-country` | with an origin request policy that has them |
 * | Vercel | `x-vercel-ip-latitude`, `-longitude`, `-country`; `x-vercel-id`, whose beginning is the region | always |
 * | Fly | `fly-region` | always |
 * | App Engine | `x-appengine-citylatlong`, `x-appengine-country` | always |
 * | Google Cloud load balancers | `x-client-city-lat-long`, `x-client-geo-latlong`, `x-client-geo-location`, `x-client-region` | as custom headers of these names |
 * | Akamai | `x-akamai-edgescape` | with Edgescape |
 * | Netlify | `x-nf-geo`; `x-country` | functions |
 * | Fastly | `x-geo-latitude`, `-longitude`, `fastly-client-geo-…`; `x-geo-country`, `fastly-geoip-countrycode` | set in VCL by these names |
 * | bunny.net | `cdn-requestcountrycode` | always |
 *
 * AWS's load balancers and Azure Front Door tell no place: use {@link regionFromIp} there. The user's coordinates are preferred to
 * the edge that took the request, and that to the middle of the user's country. What makes no sense is passed over.
 *
 * Anyone can send such headers when no CDN overwrites them: use the answer to choose a region, and for nothing else.
 *
 * @returns `undefined` when no header says anything that makes sense. Never throws, whatever the headers hold.
 */
export function regionFromHeaders(
  headers: HeaderMap,
  regions: readonly string[],
  options: RegionPlaces = {},
): string | undefined {
  return regionChoiceFromHeaders(headers, regions, options)?.region
}

/** The same as {@link regionFromHeaders}, with the reason: for `region` of `Perigee.connect`, or for a log. */
export function regionChoiceFromHeaders(
  headers: HeaderMap,
  regions: readonly string[],
  options: RegionPlaces = {},
): RegionChoice | undefined {
  const read = bounded(headerReader(headers))
  const said = coordinates(read) ?? edge(read) ?? country(read)
  return said && choiceAt({ source: 'headers', ...said }, regions, options)
}

const COORDINATE_PAIRS = [
  ['cf-iplatitude', 'cf-iplongitude'],
  ['cloudfront-viewer-latitude', 'cloudfront-viewer-longitude'],
  ['x-vercel-ip-latitude', 'x-vercel-ip-longitude'],
  ['fastly-client-geo-latitude', 'fastly-client-geo-longitude'],
  ['x-geo-latitude', 'x-geo-longitude'],
  ['x-geo-lat', 'x-geo-lon'],
] as const

/** Latitude and longitude at the end of a list. */
const COORDINATE_LISTS = [
  'x-appengine-citylatlong',
  'x-client-city-lat-long',
  'x-client-geo-latlong',
  'x-client-geo-lat-long',
  'x-client-geo-location',
]

/** Where requests come in: an airport's code, as each of these writes it. */
const EDGES: readonly (readonly [header: string, airport: RegExp])[] = [
  ['fly-region', /^([a-z]{3})$/i],
  // `iad1::iad1::zzzzz-1700000000000-000000000000`: the first is the one that took the request.
  ['x-vercel-id', /^([a-z]{3})\d?::/i],
  // `230b030023ae2822-SJC`
  ['cf-ray', /^[0-9a-f]{16}-([A-Z]{3})$/i],
]

/** An ISO 3166 code, or a list that begins with one. */
const COUNTRIES = [
  'cf-ipcountry',
  'cloudfront-viewer-country',
  'x-vercel-ip-country',
  'x-appengine-country',
  'x-client-region',
  'x-client-geo-location',
  'fastly-geoip-countrycode',
  'cdn-requestcountrycode',
  'x-country',
  'x-country-code',
  'x-geo-country',
  'x-geo-country-code',
]

function coordinates(read: Read): Said | undefined {
  for (const [latitude, longitude] of COORDINATE_PAIRS) {
    const place = placeFrom(read(latitude), read(longitude))
    if (place) return { what: `${latitude}, ${longitude}`, place }
  }
  for (const name of COORDINATE_LISTS) {
    const [latitude, longitude] = (read(name) ?? '').split(',').slice(-2)
    const place = placeFrom(latitude, longitude)
    if (place) return { what: name, place }
  }
  const byAkamai = akamai(read('x-akamai-edgescape')).place
  if (byAkamai) return { what: 'x-akamai-edgescape', place: byAkamai }
  const byNetlify = netlify(read('x-nf-geo')).place
  return byNetlify && { what: 'x-nf-geo', place: byNetlify }
}

/** What Akamai and Netlify say in one header. */
interface PlaceAndCountry {
  readonly place?: Coordinates | undefined
  readonly country?: string | undefined
}

/** `georegion=246,country_code=US,lat=42.36,long=-71.05,…` */
function akamai(edgescape = ''): PlaceAndCountry {
  const fields = new Map(edgescape.split(',').map((field) => field.trim().split('=', 2) as [string, string]))
  return { place: placeFrom(fields.get('lat'), fields.get('long')), country: fields.get('country_code') }
}

/** Base64 of JSON with `latitude`, `longitude` and `country.code`. */
function netlify(geo = ''): PlaceAndCountry {
  try {
    const { latitude, longitude, country } = JSON.parse(Buffer.from(geo, 'base64').toString('utf8'))
    const code: unknown = country?.code
    return {
      place: placeFrom(String(latitude), String(longitude)),
      country: typeof code === 'string' ? code : undefined,
    }
  } catch {
    return {}
  }
}

function edge(read: Read): Said | undefined {
  for (const [name, airport] of EDGES) {
    const code = airport.exec(read(name) ?? '')?.[1]
    const place = code === undefined ? undefined : airportOf(code)
    if (code && place) return { what: `${name} is ${code.toUpperCase()}`, place }
  }
  return undefined
}

function country(read: Read): Said | undefined {
  const named = COUNTRIES.map((name) => [name, read(name)?.split(',')[0]] as const)
  const listed = [
    ['x-akamai-edgescape', akamai(read('x-akamai-edgescape')).country],
    ['x-nf-geo', netlify(read('x-nf-geo')).country],
  ] as const
  for (const [name, code] of [...named, ...listed]) {
    const place = countryCentre(code ?? '')
    if (place) return { what: `${name} is ${code?.trim().toUpperCase()}`, place }
  }
  return undefined
}

const NUMBER = /^\s*[+-]?\d{1,3}(\.\d{1,20})?\s*$/

function placeFrom(latitude: string | undefined, longitude: string | undefined): Coordinates | undefined {
  if (!latitude || !longitude || !NUMBER.test(latitude) || !NUMBER.test(longitude)) return undefined
  const place = { latitude: Number(latitude), longitude: Number(longitude) }
  // Nobody lives at 0, 0: App Engine and Fastly say so when they don't know.
  if (place.latitude === 0 && place.longitude === 0) return undefined
  return isPlace(place) ? place : undefined
}

/** No header that tells a place is longer. */
const LENGTH_MAX = 4_096

function bounded(read: Read): Read {
  return (name) => {
    const value = read(name)
    return typeof value === 'string' && value.length <= LENGTH_MAX ? value : undefined
  }
}
