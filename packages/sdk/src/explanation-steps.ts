import type { DnsQuestion } from './discovery.ts'
import type { ServiceHealth } from './endpoint-state.ts'
import type {
  ConnectionExplanation,
  EndpointExplanation,
  ExplanationStep,
  RegionExplanation,
} from './explanation.ts'

type Facts = Omit<ConnectionExplanation, 'steps'>

/** A DNS answer may be long; the structured explanation has all of it. */
const RECORDS_SHOWN = 8

/** An explanation in words. */
export function explanationSteps(facts: Facts): readonly ExplanationStep[] {
  return [whereThisIs(facts), whatIsNear(facts), whoIsThere(facts), whoIsWell(facts), whoIsAsked(facts)]
}

function whereThisIs({ here, regions }: Facts): ExplanationStep {
  const { region, because } = here
  if (region === undefined) return { says: `Where this process is isn't known: ${because}.`, details: [] }
  const own = regions.some((one) => one.region === region)
  const details = own ? [] : [`${region} is none of the regions: those nearest to it come first`]
  return { says: `This process is in ${region}: ${because}.`, details }
}

function whatIsNear({ here, judgedBy, regions }: Facts): ExplanationStep {
  const from = here.region ?? 'here'
  const says =
    judgedBy === 'distance'
      ? `Regions are in order of their distance from ${from}.`
      : `Regions are in order of the round trip from here${here.region ? `, ${here.region} itself first` : ''}.`
  const why =
    judgedBy === 'round-trip' && here.region !== undefined
      ? ["not all regions' places on the globe are known, so distances say nothing"]
      : []
  const width = Math.max(0, ...regions.map(({ region }) => region.length))
  return {
    says,
    details: [
      ...why,
      ...regions.map((region) => `${region.region.padEnd(width)}  ${nearness(region, here.region)}`),
    ],
  }
}

function nearness({ region, distanceKm, roundTripMs }: RegionExplanation, own: string | undefined): string {
  const parts = [
    ...(region === own ? ['here'] : []),
    ...(distanceKm !== undefined && region !== own
      ? [`${Math.round(distanceKm).toLocaleString('en')} km`]
      : []),
    ...(roundTripMs === undefined ? [] : [`${shortMs(roundTripMs)} there and back`]),
  ]
  return parts.join(', ') || 'unknown: it counts as farthest until it answers'
}

function whoIsThere({ regions }: Facts): ExplanationStep {
  const asked = regions.some(({ questions }) => questions.length > 0)
  return {
    says: asked ? 'DNS was asked who is there.' : 'Addresses were given as a list.',
    details: regions.flatMap(addressesInWords),
  }
}

function addressesInWords(region: RegionExplanation): string[] {
  const { addresses, formerAddresses, ignored, lookupError, questions } = region
  const took = region.lookupTookMs === undefined ? '' : ` (${shortMs(region.lookupTookMs)})`
  const now = addresses.join(', ') || 'no address'
  const kept = lookupError && addresses.length ? ', kept from an earlier answer' : ''
  return [
    `${region.region}: ${now}${kept}${questions.length ? took : ''}`,
    ...questions.map((question) => `  ${questionInWords(question)}`),
    ...ignored.slice(0, RECORDS_SHOWN).map((what) => `  left out ${what}`),
    ...(formerAddresses.length
      ? [`  no longer named, the last resort until a newer one answers: ${formerAddresses.join(', ')}`]
      : []),
    ...(lookupError ? [`  ${lookupError}`] : []),
  ]
}

function questionInWords({ name, type, server, records, error, remembered, tookMs }: DnsQuestion): string {
  const shown = records.slice(0, RECORDS_SHOWN).join(', ')
  const more = records.length > RECORDS_SHOWN ? ` and ${records.length - RECORDS_SHOWN} more` : ''
  const failed = error ? `${meaningOf(error)} (${error})` : 'no records'
  const answer = records.length ? `${shown}${more}` : failed
  const earlier = remembered ? `; as answered before, now: ${failed}` : ''
  return `${type} ${name}: ${answer}${earlier} [${server}, ${shortMs(tookMs)}]`
}

const MEANINGS: Readonly<Record<string, string>> = {
  ENOTFOUND: 'no such name',
  ENODATA: 'no such records',
  ETIMEOUT: 'no answer in time',
  ESERVFAIL: 'the server failed',
  EREFUSED: 'the server refused',
  ECONNREFUSED: 'no server there',
  EBADRESP: 'not a DNS answer',
  EBADNAME: 'not a name',
  EAI_AGAIN: 'the system could not tell',
}

function meaningOf(error: string): string {
  return MEANINGS[error] ?? 'failed'
}

function whoIsWell({ endpoints }: Facts): ExplanationStep {
  return { says: 'Their health, as far as it is known.', details: endpoints.map(healthInWords) }
}

function healthInWords(endpoint: EndpointExplanation): string {
  const { address, region, health, ejectedUntil, failuresInRow, inFlight, lastError } = endpoint
  const { roundTripMs, roundTripError } = endpoint
  const aloneFor = ejectedUntil ? Math.max(0, ejectedUntil.getTime() - Date.now()) : 0
  const troubled = ejectedUntil !== undefined || failuresInRow > 0
  const parts = [
    `cache ${inWords(health.cache)}, search ${inWords(health.search)}`,
    ...(ejectedUntil ? [`ejected for ${shortMs(aloneFor)} more`] : []),
    ...(failuresInRow ? [`${failuresInRow} failures in a row`] : []),
    ...(troubled && lastError ? [`failed last: ${lastError.code}, ${lastError.message}`] : []),
    ...(inFlight ? [`${inFlight} calls under way`] : []),
    ...(roundTripMs === undefined ? [] : [`${shortMs(roundTripMs)} there and back`]),
    ...(roundTripError ? [`not reached now: ${roundTripError}`] : []),
  ]
  return `${address} (${region}): ${parts.join('; ')}`
}

function inWords(health: ServiceHealth): string {
  if (health === 'unknown') return 'unknown'
  return health === 'serving' ? 'serves' : "doesn't serve"
}

function whoIsAsked({ endpoints, regions, searchOrder }: Facts): ExplanationStep {
  const home = regions[0]?.region
  const first = endpoints[0]
  if (!first) return { says: 'There is nobody to ask: calls fail until an address is found.', details: [] }
  const searched = searchOrder.flatMap((address) => endpoints.find((e) => e.address === address) ?? [])
  const where = (to = first) =>
    `${to.address} in ${to.region} first${to.region === home ? '' : `, though ${home} is nearest`}`
  if (endpoints.every((endpoint, i) => endpoint === searched[i]))
    return { says: `A call goes to ${where()}.`, details: inOrder(endpoints) }
  return {
    says: `A call of a cache goes to ${where()}; a search to ${where(searched[0])}.`,
    details: ['caches:', ...inOrder(endpoints), 'searches:', ...inOrder(searched)],
  }
}

function inOrder(endpoints: readonly EndpointExplanation[]): string[] {
  return endpoints.map(({ address, region }, i) => `${i + 1}. ${address} (${region})`)
}

function shortMs(ms: number): string {
  if (ms >= 9_950) return `${Math.round(ms / 1_000)} s`
  if (ms >= 995) return `${(ms / 1_000).toFixed(1)} s`
  return ms >= 9.95 ? `${Math.round(ms)} ms` : `${ms.toFixed(1)} ms`
}
